"""Errors as OpenAI's clients know them: https://platform.openai.com/docs/guides/error-codes."""

import re
from http import HTTPStatus
from typing import Any, Final

from common.error_formats import ErrorFormat
from functions.ai.schemas import OpenAIError

PATHS: Final = tuple(
    f"/v1/ai/{each}" for each in ("chat/completions", "completions", "embeddings", "models", "responses")
)
"""What those clients ask, also where nothing of ours answers."""

_BY_STATUS: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
_INDEX: Final = re.compile(r"\.(\d+)(?=\.|$)")


def openai_error(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem's body as OpenAI's: message, type, param and code below `error`."""
    message, param = problem["detail"], None
    for first in problem.get("errors", [])[:1]:
        param = _parameter(first["pointer"])
        message = f"{param}: {first['detail']}" if param else first["detail"]
    return {
        "error": {
            "message": message,
            "type": _kind(problem["status"]),
            "param": param,
            "code": problem["code"],
        }
    }


def _kind(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return _BY_STATUS.get(status, "invalid_request_error")


def _parameter(pointer: str) -> str | None:
    """`#/messages/0/role` as `messages[0].role`."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return _INDEX.sub(r"[\1]", ".".join(parts)) or None


OPENAI_ERRORS: Final = ErrorFormat(PATHS, OpenAIError, openai_error)
