"""An answer of Ollama's from a request on: asked again where nothing was produced, checked, and counted."""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from common.errors import AppError
from common.json_numbers import parse_leniently
from common.ollama.connection import exchange, told
from common.ollama.faults import (
    ModelNotFound,
    ModelRefused,
    ModelServerBusy,
    ModelServerDown,
    busy,
    down,
    failed,
)

if TYPE_CHECKING:
    import httpx

type Json = dict[str, Any]

ASK_SECONDS: Final = 10.0
"""For what no model works on."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of a line, or of a document."""
LINES: Final = "application/x-ndjson"
DOCUMENT: Final = "application/json"

_PAUSES: Final = (0.2, 0.6)
"""Before a second and a third try, each up to half more or less, so that not all come back at once."""
_MOST_OF_A_REFUSAL: Final = 300


async def opened(
    stack: AsyncExitStack, method: str, path: str, body: Json | None, *, kind: str | None, until: float
) -> "httpx.Response":
    """An answer of this kind, which `stack` closes; its headers are there before `until`, its content not.

    A null kind is any. Where a connection was refused or reset before any byte, or Ollama's queue is full, it
    is asked again, at most twice and while there is time: nothing was produced. Raises what
    `common.ollama.faults` lists.
    """
    for pause in (*_PAUSES, None):
        async with AsyncExitStack() as attempt:
            try:
                asked = exchange(method, path, body, max(0.0, until - time.monotonic()))
                answer = await attempt.enter_async_context(asked)
                await _check(answer, kind)
            except (ModelServerDown, ModelServerBusy) as error:
                again = isinstance(error, ModelServerBusy) or error.repeatable
                # No shorter: a wait that leaves no time to ask is lost.
                seconds = (pause or 0.0) * random.uniform(0.5, 1.5)  # noqa: S311 - it spreads, and hides nothing
                if pause is None or not again or time.monotonic() + seconds >= until:
                    raise
            else:
                stack.push_async_exit(attempt.pop_all())
                return answer
        await asyncio.sleep(seconds)
    raise AssertionError("the last try ends it")


async def content(answer: "httpx.Response", most: int = MOST_BYTES) -> bytes:
    """All of it. Raises ModelFailed where it is more than `most` bytes."""
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > most:
            raise failed(f"its answer is larger than {most} bytes")
    return bytes(found)


def parsed(text: bytes) -> Json:
    """A JSON object. Raises ModelFailed where it is none, and where it tells of an error."""
    found = json_object(text)
    if found is None:
        raise failed("what it says is no JSON object")
    if "error" in found:
        raise _error(found["error"])
    return found


def json_object(text: bytes) -> Json | None:
    """The same, also of an error; None where it is none. Numbers that are not finite are null in it."""
    try:
        found = parse_leniently(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _error(told: object) -> AppError:
    # Ollama quotes in it what the model said, as where it cannot read its call of a function.
    return failed(f"it tells of an error, in {len(str(told))} characters")


async def _check(answer: "httpx.Response", kind: str | None) -> None:
    """Whether it is what was asked for. Raises what its status, its type and its own words tell."""
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code != HTTPStatus.OK:
        raise await _refusal(answer, media)
    if kind is not None and media != kind:
        raise failed(f"its answer is {media or 'of no type'}, and not {kind}")


async def _refusal(answer: "httpx.Response", media: str) -> AppError:
    with told():
        async with asyncio.timeout(ASK_SECONDS):
            said = await content(answer)
    words = _words(said) if media == DOCUMENT else ""
    match answer.status_code:
        case HTTPStatus.NOT_FOUND if words:
            return ModelNotFound()
        case HTTPStatus.BAD_REQUEST if words:
            return ModelRefused(f"The model cannot do what was asked: {words[:_MOST_OF_A_REFUSAL]}")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return ModelRefused("The request is larger than what is before the model server lets through.")
        # A proxy says 503 of what it cannot reach; Ollama says it in words of its own, of its queue.
        case status if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and words
        ):
            return busy()
        case status if words and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _error(words)
        case status:
            # A proxy in front that refuses us, or something else on that port. That it answers so quickly is
            # no reason to ask it less, unless it says itself that it cannot reach what is behind it.
            counts = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return down(f"status {status} with {media or 'no type'}", counts=counts)


def _words(said: bytes) -> str:
    """Ollama's own sentence in an error; empty where it is not Ollama that speaks."""
    error = (json_object(said) or {}).get("error")
    return error if isinstance(error, str) else ""
