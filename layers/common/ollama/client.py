"""Ollama's HTTP protocol: https://docs.ollama.com/api has it.

A chat is a stream of JSON objects, one a line, of which the last has `done: true`. What goes wrong once it
has begun is told under status 200, as a line `{"error": …}`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

from common.ollama.asking import ASK_SECONDS, DOCUMENT, LINES, MOST_BYTES, Json, content, opened, parsed
from common.ollama.breakers import breaker
from common.ollama.connection import told
from common.ollama.faults import failed
from common.ollama.lines import read_lines
from common.settings import get_settings

_LARGEST: Final = 3.4028234e38
"""A little less than the largest number of IEEE 754's binary32."""


async def list_models() -> list[Json]:
    """The models that there are, as `/api/tags` has them. Raises ModelServerDown and its siblings."""
    found = (await _ask("GET", "/api/tags")).get("models") or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise failed("its list of models is none")
    return found


async def show_model(name: str) -> Json:
    """What `/api/show` tells of a model. Raises ModelNotFound, and what `list_models` raises."""
    return await _ask("POST", "/api/show", {"model": name})


async def embed(request: Json) -> Json:
    """What `/api/embed` makes of `input`, a text or a list: `embeddings`, in its order, and counts.

    Each is a list of numbers that 32-bit floats hold, of length 1 together. A text that is too long is
    refused, and not cut. It may take OLLAMA_FIRST_TOKEN_SECONDS, as the model may have to be loaded. Raises
    what `chat` raises.
    """
    seconds = get_settings().ollama_first_token_seconds
    found = await _ask("POST", "/api/embed", _with_context(request | {"truncate": False}), seconds)
    vectors = found.get("embeddings")
    wanted = len(request["input"]) if isinstance(request["input"], list) else 1
    if not isinstance(vectors, list) or len(vectors) != wanted or not all(map(_is_vector, vectors)):
        raise failed(f"it was to make {wanted} embeddings, and made others")
    return found


async def chat(request: Json) -> AsyncGenerator[Json]:
    """The lines of `/api/chat` for a request, each as it comes; the last has `done`.

    `options.num_ctx` is OLLAMA_NUM_CTX unless the request has its own. Closing it closes the connection, and
    so ends the generation. The first line may take OLLAMA_FIRST_TOKEN_SECONDS, each after it
    OLLAMA_IDLE_SECONDS, all OLLAMA_TOTAL_SECONDS. Nothing is asked again once a line has come. Raises
    ModelNotFound, ModelRefused, ModelServerBusy, ModelServerDown, ModelTooSlow, ModelFailed.
    """
    settings = get_settings()
    started = time.monotonic()
    ends = started + settings.ollama_total_seconds
    until = min(started + settings.ollama_first_token_seconds, ends)
    body = _with_context(request | {"stream": True})
    async with AsyncExitStack() as stack:
        with breaker().attempt():
            answer = await opened(stack, "POST", "/api/chat", body, kind=LINES, until=until)
            lines = await stack.enter_async_context(aclosing(read_lines(answer)))
            line = await _next(lines, until)
        while line is not None:
            found = _message(parsed(line))
            yield found
            if found.get("done"):
                return
            line = await _next(lines, min(time.monotonic() + settings.ollama_idle_seconds, ends))
    raise failed("the answer ended before it was done")


def _with_context(request: Json) -> Json:
    """Always told: what Ollama takes by itself depends on the machine, and is little on most."""
    return request | {"options": {"num_ctx": get_settings().ollama_num_ctx} | request.get("options", {})}


async def _ask(method: str, path: str, body: Json | None = None, seconds: float = ASK_SECONDS) -> Json:
    until = time.monotonic() + seconds
    async with AsyncExitStack() as stack:
        with breaker().attempt():
            answer = await opened(stack, method, path, body, kind=DOCUMENT, until=until)
            with told():
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    return parsed(await content(answer, 4 * MOST_BYTES))


async def _next(lines: AsyncGenerator[bytes], until: float) -> bytes | None:
    with told():
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            return await anext(lines, None)


def _message(line: Json) -> Json:
    """The line of a chat. Raises ModelFailed where what it says has another shape than it must have."""
    message = line.get("message") or {}
    calls = (message.get("tool_calls") or []) if isinstance(message, dict) else None
    if not isinstance(calls, list) or not all(map(_is_call, calls)):
        raise failed("what it says is no message")
    return line


def _is_call(found: object) -> bool:
    return isinstance(found, dict) and isinstance(found.get("function") or {}, dict)


def _is_vector(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(map(_fits, found))


def _fits(number: object) -> bool:
    # Vectors are of 32-bit floats, and in base64 sent as such. What is not finite is null by now.
    return isinstance(number, int | float) and -_LARGEST <= number <= _LARGEST
