"""Content that passes through: whole, in part, in several parts, or not at all as the client has it."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

from common.conditional import etag, is_unchanged, match_if_given
from common.context import current_context
from functions.files import delivery, ranges
from functions.files.delivery import Content
from functions.files.problems import RangeNotSatisfiable
from functions.files.ranges import Span

# A drawing shows itself and does nothing else. The rest is what a browser makes a page of by itself.
_SANDBOX: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SHOWN: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; object-src 'self'"
)

type _Parts = Sequence[tuple[bytes, Span | None]]


class _Stream(StreamingResponse):
    """Ends the read where the client leaves."""

    body_iterator: AsyncGenerator[bytes]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


async def pass_through(request: Request, content: Content, *, download: bool) -> Response:
    """The content as the request's headers want it (RFC 9110, sections 13.2.2 and 14.2).

    Raises PreconditionFailed, RangeNotSatisfiable, Unavailable, NotFound.
    """
    headers = _headers(content, download=download)
    match_if_given(request.headers.get("if-match"), content.version)
    if is_unchanged(request, headers):
        return Response(status_code=304, headers=headers)
    # The edge answers HEAD as GET, without the content; for it no range is defined.
    head = current_context().method == "HEAD"
    spans = None if head else _spans(request, content)
    if spans is not None:
        return await _partial(content, spans, headers)
    headers |= {"Content-Type": content.media_type, "Content-Length": str(content.size)}
    return Response(headers=headers) if head else await _stream(200, headers, content, [(b"", None)])


def _headers(content: Content, *, download: bool) -> dict[str, str]:
    return {
        "ETag": etag(content.version),
        "Accept-Ranges": "bytes",
        # To be asked for each time, as a file may be deleted; who has it is told 304.
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "Content-Disposition": content.disposition(download=download),
        "Content-Security-Policy": _SANDBOX if content.runs else _SHOWN,
    }


def _spans(request: Request, content: Content) -> list[Span] | None:
    given, known = request.headers.getlist("range"), request.headers.get("if-range")
    # By the strong comparison; a date is never one of this content, which has none.
    if len(given) != 1 or (known is not None and known.strip() != etag(content.version)):
        return None
    return ranges.parse(given[0], content.size)


async def _partial(content: Content, spans: Sequence[Span], headers: Mapping[str, str]) -> Response:
    if not spans:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{content.size}"})
    if len(spans) > 1:
        return await _several(content, spans, headers)
    own = {
        "Content-Type": content.media_type,
        "Content-Range": _content_range(content, spans[0]),
        "Content-Length": str(spans[0].length),
    }
    return await _stream(206, {**headers, **own}, content, [(b"", spans[0])])


async def _several(content: Content, spans: Sequence[Span], headers: Mapping[str, str]) -> Response:
    boundary = secrets.token_hex(16)
    parts = [(_before(content, span, boundary), span) for span in spans]
    end = f"\r\n--{boundary}--\r\n".encode()
    own = {
        "Content-Type": f"multipart/byteranges; boundary={boundary}",
        "Content-Length": str(sum(len(before) + span.length for before, span in parts) + len(end)),
    }
    return await _stream(206, {**headers, **own}, content, parts, end)


def _content_range(content: Content, span: Span) -> str:
    return f"bytes {span.first}-{span.last}/{content.size}"


def _before(content: Content, span: Span, boundary: str) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {content.media_type}\r\n"
        f"Content-Range: {_content_range(content, span)}\r\n\r\n"
    ).encode()


async def _stream(
    status: int, headers: Mapping[str, str], content: Content, parts: _Parts, end: bytes = b""
) -> Response:
    body = _body(content, parts, end)
    # The first piece is there before the answer begins: a bucket that is down is a 503.
    first = await anext(body, b"")
    return _Stream(_from(first, body), status, headers)


async def _body(content: Content, parts: _Parts, end: bytes) -> AsyncGenerator[bytes]:
    for before, span in parts:
        head = before
        async with aclosing(delivery.read(content, span)) as pieces:
            async for piece in pieces:
                yield head + piece if head else piece
                head = b""
    if end:
        yield end


async def _from(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
