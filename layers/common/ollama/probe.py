"""Does Ollama answer?"""

import json
from http import HTTPStatus
from typing import Final

from common.health import Probe, ProbeFailed
from common.settings import secret_settings

_SECONDS: Final = 1.8
_MOST_BYTES: Final = 65_536


def ollama_probe() -> Probe:
    """Without it there is no AI, and everything else works: it is not essential."""
    return Probe(
        "ollama", _check, "Install and start Ollama, or set OLLAMA_URL. Only AI needs it.", essential=False
    )


def _check() -> None:
    # The standard library's client: `health` asks too, and has no httpx.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import unquote, urlsplit

    from common.ollama.connection import basic, tls_context

    settings = secret_settings()
    url = urlsplit(settings.ollama_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ProbeFailed("OLLAMA_URL is no address that begins with http:// or https://.")
    headers = settings.ollama_header_values
    if url.username or url.password:
        headers |= basic(unquote(url.username or ""), unquote(url.password or ""))
    connection: HTTPConnection
    if url.scheme == "https":
        context = tls_context(settings.ollama_ca_file)
        connection = HTTPSConnection(url.hostname, url.port, timeout=_SECONDS, context=context)
    else:
        connection = HTTPConnection(url.hostname, url.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"{url.path.rstrip('/')}/api/version", headers=headers)
        with connection.getresponse() as answer:
            status, body = answer.status, answer.read(_MOST_BYTES)
    except (OSError, HTTPException) as error:
        raise ProbeFailed(f"No connection: {type(error).__name__}.") from None
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        raise ProbeFailed(f"It answers with status {status}.")
    if not _is_ollama(body):
        raise ProbeFailed("Something else answers, and not Ollama.")
    from common.ollama.breakers import breaker

    if breaker().state != "closed":
        left = round(breaker().seconds_left)
        raise ProbeFailed(f"It answers, but no request got through: the next one is let to it in {left} s.")


def _is_ollama(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("version"), str)
