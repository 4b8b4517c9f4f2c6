"""Ollama's HTTP protocol: https://docs.ollama.com/api has it.

A chat is a stream of JSON objects, one a line, of which the last has `done: true`. What goes wrong once it
has begun is told under status 200, as a line `{"error": …}`.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from common.errors import AppError
from common.ollama.connection import exchange, told
from common.ollama.faults import ModelNotFound, ModelRefused, busy, down, failed
from common.settings import get_settings

if TYPE_CHECKING:
    import httpx

type Json = dict[str, Any]

_ASK_SECONDS: Final = 10.0
"""For what no model works on."""
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Of a line, or of a document."""
_MOST_OF_A_REFUSAL: Final = 300
_LINES: Final = "application/x-ndjson"
_DOCUMENT: Final = "application/json"


async def list_models() -> list[Json]:
    """The models that there are, as `/api/tags` has them. Raises ModelServerDown and its siblings."""
    found = (await _ask("GET", "/api/tags")).get("models") or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise failed("its list of models is none")
    return found


async def show_model(name: str) -> Json:
    """What `/api/show` tells of a model. Raises ModelNotFound, and what `list_models` raises."""
    return await _ask("POST", "/api/show", {"model": name})


async def chat(request: Json) -> AsyncGenerator[Json]:
    """The lines of `/api/chat` for a request, each as it comes; the last has `done`.

    Closing it closes the connection, and so ends the generation. The first line may take
    OLLAMA_FIRST_TOKEN_SECONDS, each after it OLLAMA_IDLE_SECONDS, all OLLAMA_TOTAL_SECONDS. Raises
    ModelNotFound, ModelRefused, ModelServerBusy, ModelServerDown, ModelTooSlow, ModelFailed.
    """
    settings = get_settings()
    started = time.monotonic()
    ends = started + settings.ollama_total_seconds
    until = started + min(settings.ollama_first_token_seconds, settings.ollama_total_seconds)
    async with exchange("POST", "/api/chat", request | {"stream": True}, until - started) as answer:
        await _check(answer, _LINES)
        async with aclosing(_lines(answer)) as lines:
            while True:
                with told():
                    async with asyncio.timeout(until - time.monotonic()):
                        line = await anext(lines, None)
                if line is None:
                    raise failed("the answer ended before it was done")
                found = _object(line)
                yield found
                if found.get("done"):
                    return
                until = min(time.monotonic() + settings.ollama_idle_seconds, ends)


async def _ask(method: str, path: str, body: Json | None = None) -> Json:
    async with exchange(method, path, body, _ASK_SECONDS) as answer:
        await _check(answer, _DOCUMENT)
        with told():
            async with asyncio.timeout(_ASK_SECONDS):
                return _object(await _content(answer, _MOST_BYTES))


async def _check(answer: "httpx.Response", kind: str) -> None:
    """Whether it is what was asked for. Raises what its status, its type and its own words tell."""
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status_code != HTTPStatus.OK:
        raise await _refusal(answer, media)
    if media != kind:
        raise failed(f"its answer is {media or 'of no type'}, and not {kind}")


async def _refusal(answer: "httpx.Response", media: str) -> AppError:
    with told():
        async with asyncio.timeout(_ASK_SECONDS):
            content = await _content(answer, _MOST_BYTES)
    words = _words(content) if media == _DOCUMENT else ""
    match answer.status_code:
        case HTTPStatus.NOT_FOUND if words:
            return ModelNotFound()
        case HTTPStatus.BAD_REQUEST if words:
            return ModelRefused(f"The model cannot do what was asked: {words[:_MOST_OF_A_REFUSAL]}")
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            return busy()
        case status if words and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return failed(words)
        case status:
            # A proxy in front that refuses us, or something else on that port.
            return down(f"status {status} with {media or 'no type'}")


def _words(content: bytes) -> str:
    """Ollama's own sentence in an error; empty where it is not Ollama that speaks."""
    try:
        found = json.loads(content)
    except ValueError:
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, str) else ""


async def _content(answer: "httpx.Response", most: int) -> bytes:
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > most:
            raise failed(f"its answer is larger than {most} bytes")
    return bytes(found)


async def _lines(answer: "httpx.Response") -> AsyncGenerator[bytes]:
    parts: AsyncIterator[bytes] = answer.aiter_bytes()
    rest = b""
    async for part in parts:
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
        if len(rest) > _MOST_BYTES:
            raise failed(f"a line is longer than {_MOST_BYTES} bytes")
    if rest.strip():
        raise failed("the answer ended in the middle of a line")


def _object(text: bytes) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise failed("what it says is no JSON object")
    if "error" in found:
        raise failed(str(found["error"])[:_MOST_OF_A_REFUSAL])
    return found
