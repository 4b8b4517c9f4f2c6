"""Ollama: its protocol as far as Lambkin speaks it, its faults as problems, its probe.

httpx is imported when Ollama is first asked; functions that ask it have it in their dependency group.
"""

from common.ollama.client import Json, chat, list_models, show_model
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
    "chat",
    "list_models",
    "ollama_probe",
    "show_model",
]
