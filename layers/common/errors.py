"""What goes wrong, and how it is told: RFC 9457 problems.

    AppError                    carries status, code and sentence; a service raises it
    ├── BadRequest              400  the request cannot be understood
    ├── Unauthenticated         401  who is asking is unknown or no longer trusted
    ├── Forbidden               403  known, but not allowed
    ├── NotFound                404  no such thing, or none that the caller may know of
    ├── Conflict                409  the state forbids it
    ├── PreconditionFailed      412  `If-Match` names another version
    ├── ContentTooLarge         413
    ├── UnsupportedMediaType    415
    ├── InvalidInput            422  understood, but a value is not acceptable
    ├── PreconditionRequired    428  `If-Match` is missing
    ├── TooManyRequests         429  a limit is reached; `retry_after` says until when
    └── Unavailable             503  something that is needed is down or busy

Functions add their own below these, with a code of their own.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, Field


class AppError(Exception):
    """A refusal with a status, a machine's code and a person's sentence.

    `keep` on a class or an instance means: what the transaction wrote is committed before the answer.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = ""
    detail: ClassVar[str] = ""
    keep: bool = False

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """`members` join the problem's body; `errors` are `{pointer, code, detail}`; `retry_after` in s."""
        self.message = detail or self.detail
        super().__init__(self.message)
        self.errors = errors
        self.members = dict(members or {})
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after)))

    @classmethod
    def heading(cls) -> str:
        """The title: the class' own, or the status' phrase."""
        return cls.title or HTTPStatus(cls.status).phrase


class BadRequest(AppError):
    """The request cannot be understood."""

    status = 400
    code = "bad_request"
    detail = "The request cannot be understood."


class Unauthenticated(AppError):
    """Who is asking is unknown or no longer trusted."""

    status = 401
    code = "unauthenticated"
    detail = "Sign in and send the access token as `Authorization: Bearer …`."


class Forbidden(AppError):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"
    detail = "You may not do this."


class NotFound(AppError):
    """No such thing, or none that the caller may know of."""

    status = 404
    code = "not_found"
    detail = "There is nothing here."


class Conflict(AppError):
    """The state forbids it."""

    status = 409
    code = "conflict"
    detail = "The state of the resource forbids this."


class PreconditionFailed(AppError):
    """`If-Match` names another version."""

    status = 412
    code = "precondition_failed"
    detail = "It has changed since you read it: read it again, then repeat the change."


class ContentTooLarge(AppError):
    """The body is larger than this operation reads."""

    status = 413
    code = "content_too_large"
    detail = "The request body is too large."


class UnsupportedMediaType(AppError):
    """The body's type is not one that this operation reads."""

    status = 415
    code = "unsupported_media_type"
    detail = "Send the body as application/json."


class InvalidInput(AppError):
    """Understood, but a value is not acceptable."""

    status = 422
    code = "invalid_input"
    detail = "Some values are not acceptable; see `errors`."


class PreconditionRequired(AppError):
    """`If-Match` is missing."""

    status = 428
    code = "precondition_required"
    detail = "Send `If-Match` with the ETag that you read, or `*`."


class TooManyRequests(AppError):
    """A limit is reached."""

    status = 429
    code = "too_many_requests"
    detail = "Too many requests: wait, then try again."


class Unavailable(AppError):
    """Something that is needed is down or busy."""

    status = 503
    code = "unavailable"
    detail = "A service that this needs does not answer: try again shortly."


class FieldProblem(BaseModel):
    """One value of the request that is not acceptable."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the body, or `#/query/…`, `#/header/…`.")
    code: str = Field(description="What is wrong, for a machine.")
    detail: str = Field(description="What is wrong, for a person.")


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(description="`urn:lambkin:problem:` and the code.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path of the request.")
    code: str = Field(description="What went wrong, for a machine; stable within a version.")
    request_id: str = Field(description="Also in `X-Request-ID` and in every log line.")
    errors: list[FieldProblem] | None = None


def problems(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of an operation: one entry a status, with an example a code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = responses.setdefault(
            kind.status,
            {
                "description": HTTPStatus(kind.status).phrase,
                "content": {
                    "application/problem+json": {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        example = {
            "type": f"urn:lambkin:problem:{kind.code}",
            "title": kind.heading(),
            "status": kind.status,
            "detail": kind.detail,
            "instance": "/v1/…",
            "code": kind.code,
            "request_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        } | kind().members
        entry["content"]["application/problem+json"]["examples"][kind.code] = {"value": example}
    return responses
