"""One request to Ollama over a connection of its own, which is closed whenever its user lets go of it.

No connection is kept: a new one costs little beside a token, none is found dead after a Lambda was frozen,
and nothing belongs to an event loop. To close a connection is Ollama's own way to be told that nobody waits.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from common import tracing
from common.ollama.faults import down, failed, too_slow
from common.settings import Settings, secret_settings

if TYPE_CHECKING:
    import httpx


@lru_cache(maxsize=4)
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Built once: building one takes longer than a connect."""
    return ssl.create_default_context(cafile=ca_file)


@lru_cache(maxsize=1)
def _no_tls() -> ssl.SSLContext:
    # httpx wants one in any case; this one knows no authority, so that nothing is believed by mistake.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def tls_for(settings: Settings) -> ssl.SSLContext:
    """The context for OLLAMA_URL."""
    is_tls = settings.ollama_url.startswith("https://")
    return tls_context(settings.ollama_ca_file) if is_tls else _no_tls()


@asynccontextmanager
async def exchange(
    method: str, path: str, body: dict[str, Any] | None, seconds: float
) -> "AsyncIterator[httpx.Response]":
    """The answer, once its headers are there, which may take `seconds`; its content is yet to be read.

    Where traces are on, the current one goes along (W3C Trace Context, `traceparent`). Raises
    ModelServerDown, ModelTooSlow.
    """
    import httpx

    settings = secret_settings()
    # A client of httpx's would add what is not needed here: cookies, redirects, a pool that lives on.
    transport = httpx.AsyncHTTPTransport(verify=tls_for(settings), trust_env=False)
    async with transport:
        with _told_before_an_answer(), tracing.call(f"ollama {path}", **{"http.request.method": method}):
            request = _request(settings, method, path, body)
            async with asyncio.timeout(seconds):
                response = await transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()


def basic(name: str, password: str) -> dict[str, str]:
    """The header for a name and a password in OLLAMA_URL (RFC 7617)."""
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


def _request(settings: Settings, method: str, path: str, body: dict[str, Any] | None) -> "httpx.Request":
    import httpx

    url = httpx.URL(f"{settings.ollama_url.rstrip('/')}{path}")
    headers = httpx.Headers({"Accept": "*/*", "Accept-Encoding": "gzip, deflate"})
    headers.update(settings.ollama_header_values)
    if trace := tracing.traceparent():
        headers["traceparent"] = trace
    if url.userinfo:
        headers.update(basic(url.username, url.password))
    timeout = httpx.Timeout(None, connect=settings.ollama_connect_seconds)
    return httpx.Request(method, url, headers=headers, json=body, extensions={"timeout": timeout.as_dict()})


@contextmanager
def _told_before_an_answer() -> Iterator[None]:
    import httpx

    try:
        yield
    except TimeoutError:
        raise too_slow("no answer") from None
    except (httpx.TransportError, httpx.InvalidURL) as error:
        # Who refuses or resets a connection did nothing yet; a connect that takes its whole time is not for
        # a second try.
        repeatable = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
        raise down(type(error).__name__, repeatable=repeatable) from None


@contextmanager
def told() -> Iterator[None]:
    """Around reading an answer's content: a broken connection is a ModelFailed, silence a ModelTooSlow."""
    import httpx

    try:
        yield
    except TimeoutError:
        raise too_slow("silence in an answer") from None
    except (httpx.TransportError, httpx.DecodingError) as error:
        # Its class alone: its message may quote what it could not read.
        raise failed(type(error).__name__) from None
