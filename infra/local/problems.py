"""The gateway's own errors, in the one format of all functions (RFC 9457).

The gateway answers them itself, without the shared layer: it must be able to say that the layer is broken.
"""

import json
import uuid
from http import HTTPStatus

from infra.local.function_url import Response


def problem(status: int, code: str, detail: str, instance: str, retry_after: int | None = None) -> Response:
    """A response with an `application/problem+json` body; `retry_after` is in seconds."""
    request_id = str(uuid.uuid4())
    body = {
        "type": f"urn:lambkin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
    }
    headers = [
        ("content-type", "application/problem+json"),
        ("x-request-id", request_id),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ]
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    content = json.dumps(body).encode()
    return Response(status, [*headers, ("content-length", str(len(content)))], content)
