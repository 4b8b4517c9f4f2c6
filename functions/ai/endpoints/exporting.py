"""A conversation as a file."""

from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from functions.ai.exports import Export

DESCRIBED: Final[dict[str, Any]] = {
    "description": "The file.",
    "content": {
        "application/json": {"schema": {"type": "object"}, "example": {"title": "The sky", "messages": []}},
        "text/markdown": {"schema": {"type": "string"}, "example": "# The sky\n"},
    },
}


def exported(export: Export) -> Response:
    """Its pieces, as they are read."""
    headers = {"Content-Disposition": f'attachment; filename="{export.name}"'}
    return StreamingResponse(export.pieces, headers=headers, media_type=export.media_type)
