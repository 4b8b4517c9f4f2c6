"""What the tests' Ollama does for administrators: pull, delete, load, and tell what is loaded.

A pull of `large` goes on until `may_end` is set, and another one where it was; one of `absent` fails, one of
`mute-pull` says nothing, one of `odd-pull` counts what nobody can. Every other is done at once.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

PATHS: Final = ("/api/pull", "/api/delete", "/api/ps", "/api/generate")
MODIFIED: Final = "2026-11-03T10:11:12.5+01:00"
TOTAL: Final = 1_000_000
STEP: Final = 1000

type Json = dict[str, Any]
type Document = Callable[..., Awaitable[None]]
type Line = Callable[[Json], Awaitable[None]]


@dataclass
class Administered:
    """What was pulled, how far, and what is in memory."""

    pulled: set[str] = field(default_factory=set)
    offsets: dict[str, int] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    may_end: threading.Event = field(default_factory=threading.Event)
    size: object = None
    """In place of what models take in memory."""
    at_once: int = 0
    most_at_once: int = 0

    async def pull(self, name: str, line: Line) -> None:
        """The lines of a pull."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._pull(name, line)
        finally:
            self.at_once -= 1

    async def _pull(self, name: str, line: Line) -> None:
        kind = name.partition(":")[0]
        await line({"status": "pulling manifest"})
        if kind == "absent":
            await line({"error": "pull model manifest: file does not exist"})
            return
        if kind == "mute-pull":
            await asyncio.Event().wait()
        part: Json = {"status": "pulling dde5aa3fc5ff", "digest": "sha256:dde5aa3fc5ff", "total": TOTAL}
        while kind == "large" and not self.may_end.is_set():
            self.offsets[name] = min(TOTAL - STEP, self.offsets.get(name, 0) + STEP)
            await line(part | {"completed": self.offsets[name]})
            await asyncio.sleep(0.02)
        if kind == "odd-pull":
            for number, odd in enumerate((float("inf"), 10**30, -5, "many", [TOTAL], 2**50)):
                told = {"digest": f"sha256:{number}", "total": odd, "completed": odd}
                await line(told | {"status": "pulling \x00\ud800"})
        await line(part | {"completed": TOTAL})
        self.pulled.add(name)
        await line({"status": "success"})

    async def tell(self, path: str, body: Json, document: Document, *, is_known: bool) -> None:
        """The answer to one of the others."""
        name = str(body.get("model", ""))
        if path == "/api/ps":
            size = self.size or 3_000_000
            each = {"size": size, "expires_at": "2318-01-01T00:00:00Z"}
            await document({"models": [{"name": one, "model": one, **each} for one in self.loaded]})
        elif not is_known and name not in self.pulled:
            await document({"error": f"model '{name}' not found"}, 404)
        elif path == "/api/delete":
            self.pulled.discard(name)
            await document({})
        else:
            await self._load(name, int(body["keep_alive"]), document)

    async def _load(self, name: str, seconds: int, document: Document) -> None:
        if seconds:
            self.loaded[name] = seconds
        else:
            self.loaded.pop(name, None)
        await document({"model": name, "response": "", "done": True, "done_reason": "load"})


def summary(name: str) -> Json:
    """A model, as `/api/tags` lists it."""
    return {
        "name": name,
        "model": name,
        "modified_at": MODIFIED,
        "size": 815_319_791,
        "digest": "8648f39daa8fbf5b18c7b4e6a8fb4990c692751d49917417b8842ca5758e7ffc",
        "details": {
            "format": "gguf",
            "family": "llama",
            "parameter_size": "1B",
            "quantization_level": "Q4_0",
        },
    }
