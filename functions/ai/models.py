"""Which models there are."""

from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import ollama
from common.database import in_reading
from common.errors import InvalidInput
from common.ollama import ModelNotFound
from common.principals import Principal
from functions.ai.model_names import canonical
from functions.ai.repository import models as stored
from functions.ai.schemas import Model, ModelList


class NoDefaultModel(InvalidInput):
    """No model is named, and none is the default of the task."""

    code = "no_default_model"
    detail = "Name a `model`: no model is the default for this."


_LIBRARY: Final = "library"


async def list_models(reader: Principal) -> ModelList:
    """All that the reader may use, by name. Raises what `common.ollama` raises."""
    hidden = await in_reading(lambda connection: stored.hidden(connection, reader.user_id))
    found = [_model(str(each.get("model") or each.get("name")), each) for each in await ollama.list_models()]
    allowed = (model for model in found if canonical(model.id) not in hidden)
    return ModelList(data=sorted(allowed, key=lambda model: model.id))


async def read_model(reader: Principal, name: str) -> Model:
    """One of them, by the name that was asked for. Raises ModelNotFound, and what `list_models` raises."""
    if await in_reading(lambda connection: stored.hidden(connection, reader.user_id, canonical(name))):
        await require_absent(name)
    return _model(name, await ollama.show_model(name))


def named_or_default(connection: Connection | Session, name: str | None, task: str) -> str:
    """The model that is named, or else the default for a task. Raises NoDefaultModel."""
    found = name or stored.default_for(connection, task)
    if found is None:
        raise NoDefaultModel
    return found


async def require_absent(name: str) -> NoReturn:
    """What somebody is told of a model that he may not use.

    The model server is asked as it would be of one that is not there: where it is away, or slow, that is
    what is told of either. Raises ModelNotFound, and what `common.ollama.show_model` raises.
    """
    await ollama.show_model(name)
    raise ModelNotFound


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
