"""ClamAV, where SCANNER_URL names it: contents are streamed to clamd over its socket.

Its protocol is in clamd(8), "INSTREAM": pieces, each after its length in four bytes, big-endian, and an empty
one at the end.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from common.settings import get_settings

_CONNECT_SECONDS: Final = 5.0
# Of one read or write: clamd answers when it has seen all of it.
_ANSWER_SECONDS: Final = 120.0
_LONGEST_ANSWER: Final = 4096


class ScannerDown(Exception):
    """The scanner does not answer, or not as clamd does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a content is not given out."""

    code: str
    detail: str


def scan(content: Iterable[bytes]) -> Finding | None:
    """What is wrong with a content; None where nothing is. Raises ScannerDown, and what reading it raises."""
    try:
        with _connected() as connection:
            connection.sendall(b"zINSTREAM\0")
            too_long = _send(connection, content)
            answer = _answer(connection)
    except OSError as error:
        raise ScannerDown(type(error).__name__) from None
    return _understood(answer, too_long=too_long)


def _connected() -> socket.socket:
    address = urlsplit(get_settings().scanner_url or "")
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(address.path)
        except OSError:
            connection.close()
            raise
    else:
        connection = socket.create_connection((address.hostname or "", address.port or 0), _CONNECT_SECONDS)
    connection.settimeout(_ANSWER_SECONDS)
    return connection


def _send(connection: socket.socket, content: Iterable[bytes]) -> bool:
    """Send all of it; says whether clamd has hung up before the end, as it does where it is too long."""
    try:
        for piece in content:
            connection.sendall(len(piece).to_bytes(4) + piece)
        connection.sendall(bytes(4))
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def _answer(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
        received = connection.recv(_LONGEST_ANSWER)
        if not received:
            break
        answer += received
    return answer.rstrip(b"\0\n").decode(errors="replace")


def _understood(answer: str, *, too_long: bool) -> Finding | None:
    if answer == "stream: OK" and not too_long:
        return None
    if answer.endswith(" FOUND"):
        name = answer.removeprefix("stream: ").removesuffix(" FOUND")
        return Finding("infected", f"The scanner found {name}.")
    if "size limit exceeded" in answer:
        return Finding("not_scanned", "The file is longer than what the scanner takes.")
    raise ScannerDown(answer[:200] or "no answer")
