"""Conditional requests (RFC 9110, section 13): ETag, If-Match, If-None-Match.

A GET calls `set_etag(version)`; the route answers 304 by itself where the client has that version. A change
takes `if_match: IfMatch` and calls `require_match(if_match, version)`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header, Request

from common.context import current_context
from common.errors import PreconditionFailed, PreconditionRequired

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1024,
        description="The ETag that was read, or `*` for any version.",
        examples=['"1"'],
    ),
]

CONDITIONAL_GET: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "An ETag: where nothing has changed, the answer is 304 without a body.",
            "schema": {"type": "string"},
        }
    ],
    "responses": {"304": {"description": "Not Modified"}},
}
"""`openapi_extra=` of an operation that calls `set_etag`."""


def etag(version: int | str) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def set_etag(version: int | str) -> None:
    """Send the ETag with the answer."""
    current_context().response_headers["ETag"] = etag(version)


def _tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",") if tag.strip()}


def require_match(if_match: str | None, version: int | str) -> None:
    """Refuse a change of another version than the one that was read.

    Strong comparison: a weak tag never matches. Raises PreconditionRequired, PreconditionFailed.
    """
    if not if_match:
        raise PreconditionRequired
    if if_match.strip() != "*" and etag(version) not in _tags(if_match):
        raise PreconditionFailed


def match_if_given(if_match: str | None, version: int | str) -> None:
    """The same where the header is not required. An empty one names no version. Raises PreconditionFailed."""
    if if_match is not None and not if_match.strip():
        raise PreconditionFailed
    if if_match is not None:
        require_match(if_match, version)


def is_unchanged(request: Request, response_headers: Mapping[str, str]) -> bool:
    """Whether the client has the version that is about to be sent, by the weak comparison of reads."""
    sent = response_headers.get("ETag")
    known = request.headers.get("if-none-match")
    if sent is None or known is None:
        return False
    return known.strip() == "*" or sent in {tag.removeprefix("W/") for tag in _tags(known)}
