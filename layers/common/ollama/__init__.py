"""Ollama: its protocol as far as Lambkin speaks it, its faults as problems, its probe.

httpx is imported when Ollama is first asked; functions that ask it have it in their dependency group.
"""

from common.ollama.asking import Json
from common.ollama.breakers import breaker
from common.ollama.client import chat, embed, list_models, show_model
from common.ollama.context import estimate_tokens, was_truncated
from common.ollama.counts import byte_count, milliseconds, token_count
from common.ollama.faults import (
    ModelFailed,
    ModelNotFound,
    ModelRefused,
    ModelServerBusy,
    ModelServerDown,
    ModelTooSlow,
)
from common.ollama.probe import ollama_probe

__all__ = [
    "Json",
    "ModelFailed",
    "ModelNotFound",
    "ModelRefused",
    "ModelServerBusy",
    "ModelServerDown",
    "ModelTooSlow",
    "breaker",
    "byte_count",
    "chat",
    "embed",
    "estimate_tokens",
    "list_models",
    "milliseconds",
    "ollama_probe",
    "show_model",
    "token_count",
    "was_truncated",
]
