"""The Ollama that `make test-ollama` speaks to, and the models that are asked there."""

import json
import os
from typing import Any, Final

import httpx

URL: Final = os.environ.get("OLLAMA_URL") or "http://localhost:11434"
MODEL: Final = os.environ.get("OLLAMA_TEST_MODEL") or "qwen3:0.6b"
EMBEDDING_MODEL: Final = os.environ.get("OLLAMA_TEST_EMBEDDING_MODEL") or "all-minilm:22m"

type Json = dict[str, Any]

_LONG: Final = 1800.0


def answers() -> str:
    """The version of the Ollama at URL; empty where none answers."""
    try:
        told = httpx.get(f"{URL}/api/version", timeout=5)
        return str(told.json()["version"]) if told.status_code == 200 else ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return ""


def has(model: str) -> bool:
    """Whether the model is there."""
    return httpx.post(f"{URL}/api/show", json={"model": model}, timeout=30).status_code == 200


def can(model: str) -> frozenset[str]:
    """Its capabilities."""
    told = httpx.post(f"{URL}/api/show", json={"model": model}, timeout=30).json()
    return frozenset(told.get("capabilities") or ())


def pull(model: str) -> str:
    """Have it there; what went wrong, empty where nothing did."""
    with httpx.stream("POST", f"{URL}/api/pull", json={"model": model}, timeout=_LONG) as answer:
        last: Json = {}
        for line in answer.iter_lines():
            last = json.loads(line)
            if "error" in last:
                return str(last["error"])
    return "" if last.get("status") == "success" else "the pull ended before it was done"
