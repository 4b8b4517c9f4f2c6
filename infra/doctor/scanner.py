"""Does ClamAV answer where SCANNER_URL leads?"""

import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from infra.doctor.exchange import ANSWER_SECONDS
from infra.doctor.findings import Check, Finding, failed, ok
from infra.doctor.network import Way

_PONG: Final = b"PONG\0"


class Scanner:
    """The checks of clamd. `way` is None for a socket in the file system."""

    def __init__(self, way: Way | None, url: str) -> None:
        self._way = way
        self._address = urlsplit(url)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*(self._way.checks if self._way else ()), Check("scanner", self.answers))

    def answers(self) -> Iterator[Finding]:
        """Ask whether it is there, as clamd(8) has it."""
        try:
            with self._connected() as connection:
                connection.sendall(b"zPING\0")
                said = connection.recv(len(_PONG))
        except OSError:
            said = b""
        if said == _PONG:
            yield ok("ClamAV answers.")
        else:
            yield failed(
                "No ClamAV answers: uploads wait for it.",
                "It takes minutes to load its signatures: see its log. Or correct SCANNER_URL, or unset it.",
            )

    def _connected(self) -> socket.socket:
        if self._way is not None:
            target = self._way.target
            return socket.create_connection((target.host, target.port), ANSWER_SECONDS)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(self._address.path)
        except OSError:
            connection.close()
            raise
        return connection
