"""One HTTP request over a connection to an address that is known already, and all that its answer tells."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from infra.doctor.network import Way

ANSWER_SECONDS = 3.0
_MOST_BYTES: Final = 8 * 1024 * 1024


class NoAnswer(Exception):
    """There is none, or none in HTTP; the message is one sentence."""

    def __init__(self, sentence: str, fix: str = "") -> None:
        super().__init__(sentence)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Answer:
    """`whole` is False where fewer bytes came than were announced; `clock` is our time then, in seconds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool
    clock: float

    def all(self, name: str) -> list[str]:
        """Every value of a header, by its name in lower case."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        """The first value, or an empty string."""
        return next(iter(self.all(name)), "")

    def json(self) -> dict[str, Any]:
        """The body as an object; empty where it is none."""
        with suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}

    @property
    def kind(self) -> str:
        """What it looks like: for sentences about a server that is not the one expected."""
        server = self.header("x-powered-by") or self.header("server")
        named = f" from {server[:40]}" if server else ""
        problem = self.json()
        if problem.get("type") and problem.get("detail"):
            return f"status {self.status}, {str(problem['detail'])[:200].rstrip('.')}"
        media = self.header("content-type").partition(";")[0] or "no content type"
        return f"status {self.status} with {media[:60]}{named}"


def exchange(
    way: Way,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float | None = None,
) -> Answer:
    """Ask the server that the way leads to. Raises NoAnswer."""
    target = way.target
    seconds = seconds or ANSWER_SECONDS
    started = time.time()
    connection = http.client.HTTPConnection(target.host, target.port, timeout=seconds)
    try:
        connection.sock = _open(way, seconds)
        # A server may answer, and close, before it has read everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, target.path + path, body, dict(headers or {}))
        response = connection.getresponse()
        content, whole = _read(response)
    except TimeoutError:
        raise NoAnswer(f"It takes connections and says nothing within {seconds:g} s.") from None
    except ssl.SSLError as error:
        raise _tls_failure(error, way) from None
    except http.client.HTTPException as error:
        raise NoAnswer(_not_http(error)) from None
    except OSError:
        raise NoAnswer("It closes the connection without an answer.") from None
    finally:
        connection.close()
    named = tuple((name.lower(), value) for name, value in response.getheaders())
    return Answer(response.status, named, content, whole, (started + time.time()) / 2)


def _open(way: Way, seconds: float) -> socket.socket:
    plain = socket.create_connection((way.peer, way.target.port), seconds)
    if way.target.scheme != "https":
        return plain
    try:
        return _context().wrap_socket(plain, server_hostname=way.target.host)
    except BaseException:
        plain.close()
        raise


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _read(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    try:
        return response.read(_MOST_BYTES), True
    except http.client.IncompleteRead as error:
        return error.partial, False
    except ConnectionResetError:
        return b"", False


def _not_http(error: http.client.HTTPException) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "It closes the connection without an answer."
    return "What answers there does not speak HTTP."


def _tls_failure(error: ssl.SSLError, way: Way) -> NoAnswer:
    setting = way.target.setting
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "it cannot be verified"
        return NoAnswer(
            f"Its certificate is not accepted: {reason}.",
            f"Renew it, or correct the name in {setting}; a clock that is wrong makes certificates "
            "invalid too.",
        )
    return NoAnswer("It speaks no TLS.", f"Write http:// in {setting}, or put TLS in front of it.")
