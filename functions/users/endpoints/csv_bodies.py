"""A request body that is CSV (RFC 4180, RFC 7111), and its description."""

from typing import Annotated, Any, Final

from fastapi import Depends, Request

from common.errors import ContentTooLarge, UnsupportedMediaType

MEDIA_TYPE: Final = "text/csv"
_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")


async def _read(request: Request) -> bytes:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    if kind.strip().lower() != MEDIA_TYPE or charset not in _CHARSETS:
        raise UnsupportedMediaType("Send the body as text/csv, in UTF-8.")
    # Bounded by the route, which has read it.
    return await request.body()


_read.problems = (UnsupportedMediaType, ContentTooLarge)  # type: ignore[attr-defined]  # common.openapi reads it
CsvBody = Annotated[bytes, Depends(_read)]
"""The whole body. Raises UnsupportedMediaType for another type, or another charset than UTF-8."""


def csv_body(description: str, example: str, longest: int) -> dict[str, Any]:
    """`openapi_extra=` of an operation that takes a CsvBody; `longest` in characters."""
    content = {"schema": {"type": "string", "maxLength": longest}, "example": example}
    return {"requestBody": {"required": True, "description": description, "content": {MEDIA_TYPE: content}}}
