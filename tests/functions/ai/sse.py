"""Server-sent events, read as a client of OpenAI's reads them."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import Request

type Json = dict[str, Any]

PATH = "/v1/ai/chat/completions"


class Client:
    """Stays until it leaves."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.request = Request({"type": "http", "method": "POST", "headers": []}, self.receive)

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def asking(prompt: str, model: str = "tiny", **more: Any) -> Json:
    """The body of a request."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


def events(lines: Iterable[str]) -> Iterator[Json | None]:
    """The chunks; None for the end that OpenAI's streams have. Comments are left out."""
    for line in lines:
        kind, _, data = line.partition(": ")
        if kind == "data":
            yield None if data == "[DONE]" else json.loads(data)


def words(chunks: Iterable[Json | None]) -> str:
    """What all deltas say together."""
    deltas = (choice["delta"] for chunk in chunks if chunk for choice in chunk.get("choices", []))
    return "".join(delta.get("content", "") for delta in deltas)
