"""Server-sent events, read as a client of OpenAI's reads them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

type Json = dict[str, Any]

PATH = "/v1/ai/chat/completions"


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
