"""Which models there are."""

from datetime import UTC, datetime
from typing import Any, Final

from common import ollama
from functions.ai.schemas import Model, ModelList

_LIBRARY: Final = "library"


async def list_models() -> ModelList:
    """All of them, by name. Raises what `common.ollama` raises."""
    found = [_model(str(each.get("model") or each.get("name")), each) for each in await ollama.list_models()]
    return ModelList(data=sorted(found, key=lambda model: model.id))


async def read_model(name: str) -> Model:
    """One of them, by the name that was asked for. Raises ModelNotFound, and what `list_models` raises."""
    return _model(name, await ollama.show_model(name))


def _model(name: str, told: dict[str, Any]) -> Model:
    return Model(id=name, created=_seconds(told.get("modified_at")), owned_by=_owner(name))


def _seconds(moment: object) -> int:
    """Seconds since 1970; 0 where it is no time."""
    try:
        found = datetime.fromisoformat(str(moment))
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0


def _owner(name: str) -> str:
    """Who is before the last slash: `ada/tiny:1b` is of `ada`, as on Ollama's pages."""
    return name.rpartition("/")[0] or _LIBRARY
