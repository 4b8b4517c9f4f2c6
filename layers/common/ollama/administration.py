"""Ollama's HTTP protocol as far as it is for administrators: pull, delete, load, and what is loaded.

https://docs.ollama.com/api has it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

from common.ollama.asking import ASK_SECONDS, DOCUMENT, LINES, Json, content, json_object, opened, parsed
from common.ollama.connection import told
from common.ollama.faults import ModelFailed, ModelRefused, failed
from common.ollama.lines import read_lines
from common.settings import get_settings

_SILENCE_SECONDS: Final = 120.0
_LONGEST_WORDS: Final = 200


class PullRefused(ModelFailed):
    """Ollama cannot pull this model; `words` are its own."""

    def __init__(self, words: str) -> None:
        """They are for administrators."""
        super().__init__()
        self.words = words[:_LONGEST_WORDS]


async def pull_model(name: str) -> AsyncGenerator[Json]:
    """The lines of `/api/pull`, each as it comes; the last has the status `success`.

    Closing it ends the pull; another one goes on where it ended. There is no end to the time that it may
    take, but silence. Raises PullRefused, ModelServerBusy, ModelServerDown, ModelTooSlow, ModelFailed.
    """
    async with AsyncExitStack() as stack:
        until = time.monotonic() + _SILENCE_SECONDS
        body = {"model": name, "stream": True}
        answer = await opened(stack, "POST", "/api/pull", body, kind=LINES, until=until)
        lines = await stack.enter_async_context(aclosing(read_lines(answer)))
        while True:
            with told():
                async with asyncio.timeout(_SILENCE_SECONDS):
                    line = await anext(lines, None)
            if line is None:
                raise failed("a pull ended before it was done")
            found = _pulled(line)
            yield found
            if found.get("status") == "success":
                return


async def delete_model(name: str) -> None:
    """Delete it there. Raises ModelNotFound, and what `list_models` raises."""
    async with AsyncExitStack() as stack:
        until = time.monotonic() + ASK_SECONDS
        await opened(stack, "DELETE", "/api/delete", {"model": name}, kind=None, until=until)


async def loaded_models() -> list[Json]:
    """The models that are in memory, as `/api/ps` has them. Raises what `list_models` raises."""
    found = (await _document("GET", "/api/ps", None, ASK_SECONDS)).get("models") or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise failed("its list of loaded models is none")
    return found


async def load_model(name: str, keep_seconds: int) -> None:
    """Have it in memory for so long without use: 0 unloads it, a negative number is for ever.

    It may take OLLAMA_FIRST_TOKEN_SECONDS. Raises ModelNotFound, ModelRefused, and what `list_models` raises.
    """
    seconds = get_settings().ollama_first_token_seconds
    wanted: Json = {"model": name, "keep_alive": keep_seconds}
    try:
        await _document("POST", "/api/generate", wanted | {"stream": False}, seconds)
    except ModelRefused:
        # One that makes embeddings, and nothing else.
        await _document("POST", "/api/embed", wanted | {"input": []}, seconds)


async def _document(method: str, path: str, body: Json | None, seconds: float) -> Json:
    until = time.monotonic() + seconds
    async with AsyncExitStack() as stack:
        answer = await opened(stack, method, path, body, kind=DOCUMENT, until=until)
        with told():
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                return parsed(await content(answer))


def _pulled(line: bytes) -> Json:
    found = json_object(line)
    if found is None:
        raise failed("what it says of a pull is no JSON object")
    if "error" in found:
        raise PullRefused(str(found["error"]))
    return found
