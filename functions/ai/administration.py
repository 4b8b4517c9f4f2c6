"""Models, as administrators see and settle them."""

import asyncio
from collections import OrderedDict
from functools import partial
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from common import audit, ollama
from common.conditional import require_match, set_etag
from common.database import AnyRow, answer_in_transaction, in_reading
from common.errors import InvalidInput
from common.models import AiModel
from common.ollama import ModelNotFound
from common.ollama.administration import delete_model as delete_there
from common.ollama.administration import load_model, loaded_models
from common.permissions import BUILT_IN
from functions.ai.model_names import canonical
from functions.ai.repository import models as stored
from functions.ai.schemas.administration import ManagedModel, ManagedModels, ModelChange, ModelSettings

type Json = dict[str, Any]

_AT_A_TIME: Final = 4
_REMEMBERED: Final = 500
_capabilities: OrderedDict[tuple[str, str], list[str]] = OrderedDict()
"""By name and digest: a model of a digest can what it can."""


class UnknownRoles(InvalidInput):
    """There is no such role."""

    code = "unknown_role"
    detail = "There is no such role; see `errors`."


async def list_models() -> ManagedModels:
    """All that are there, by name. Raises what `common.ollama.list_models` raises."""
    told, loaded = await asyncio.gather(ollama.list_models(), loaded_models())
    settled = await _settled([canonical(_name(each)) for each in told])
    seats = asyncio.Semaphore(_AT_A_TIME)
    able = await asyncio.gather(*(_able(each, seats) for each in told))
    in_memory = {canonical(_name(each)): each for each in loaded}
    found = [
        _model(each, settled.get(name), in_memory.get(name), can)
        for each, can in zip(told, able, strict=True)
        for name in (canonical(_name(each)),)
    ]
    return ManagedModels(items=sorted(found, key=lambda model: model.id))


async def read_settings(name: str) -> ModelSettings:
    """What is settled about a model, with its ETag: also about one that is not there."""
    model = canonical(name)
    return _settings(model, (await _settled([model])).get(model))


def change_settings(session: Session, name: str, change: ModelChange, if_match: str | None) -> ModelSettings:
    """Settle something about a model. Raises UnknownRoles, PreconditionRequired, PreconditionFailed."""
    model = canonical(name)
    changes = change.model_dump(exclude_unset=True)
    for each in ("roles", "tasks"):
        if changes.get(each) is not None:
            changes[each] = sorted(set(changes[each]))
    _require_roles(session, changes.get("roles") or [])
    held = stored.hold_settings(session, model)
    require_match(if_match, held.version if held else 0)
    if not changes:
        return _settings(model, held)
    audit.record(session, "ai_model.changed", subject_id=None, model=model, **changes)
    return _settings(model, stored.change_settings(session, model, changes))


async def delete_model(name: str) -> None:
    """Delete a model; who may use it stays settled. Raises ModelNotFound, and what `list_models` raises."""
    # As it was spelled: what Ollama makes of another case depends on its version, and on its disk.
    deleted = partial(_deleted, model=canonical(name))
    await answer_in_transaction(deleted, before=partial(delete_there, name))


async def preload(name: str, keep_seconds: int) -> None:
    """Have a model in memory, or not any more. Raises ModelNotFound, and what `list_models` raises."""
    await load_model(name, keep_seconds)


def _deleted(session: Session, model: str) -> None:
    stored.clear_tasks(session, model)
    audit.record(session, "ai_model.deleted", subject_id=None, model=model)


def _require_roles(session: Session, roles: list[str]) -> None:
    own_made = [role for role in roles if role not in BUILT_IN]
    unknown = set(own_made) - stored.known_roles(session, own_made) if own_made else set()
    if unknown:
        told = [
            {"pointer": "#/roles", "code": "unknown_role", "detail": f"there is no role {role[:64]!r}"}
            for role in sorted(unknown)
        ]
        raise UnknownRoles(errors=told)


async def _settled(names: list[str]) -> dict[str, AnyRow]:
    rows = await in_reading(lambda connection: stored.settings_of(connection, names))
    return {row.name: row for row in rows}


async def _able(told: Json, seats: asyncio.Semaphore) -> list[str]:
    """What a model can; asked once for each digest. Newer servers tell it in their list."""
    if isinstance(listed := told.get("capabilities"), list):
        return [str(each) for each in listed]
    key = (_name(told), str(told.get("digest") or ""))
    if key not in _capabilities:
        async with seats:
            try:
                shown = await ollama.show_model(key[0])
            except ModelNotFound:
                # Deleted since the list was made.
                return []
        while len(_capabilities) >= _REMEMBERED:
            _capabilities.popitem(last=False)
        _capabilities[key] = (
            [str(each) for each in listed] if isinstance(listed := shown.get("capabilities"), list) else []
        )
    return _capabilities[key]


def _name(told: Json) -> str:
    return str(told.get("model") or told.get("name"))


def _settings(name: str, row: AnyRow | AiModel | None) -> ModelSettings:
    set_etag(row.version if row else 0)
    return ModelSettings(
        id=name,
        roles=row.roles if row else None,
        tasks=cast("Any", row.tasks) if row else [],
        num_ctx=row.num_ctx if row else None,
    )


def _model(told: Json, row: AnyRow | None, loaded: Json | None, able: list[str]) -> ManagedModel:
    details = told.get("details")
    if not isinstance(details, dict):
        details = {}
    return ManagedModel(
        id=_name(told),
        roles=row.roles if row else None,
        tasks=row.tasks if row else [],
        num_ctx=row.num_ctx if row else None,
        size=ollama.byte_count(told, "size"),
        digest=str(told.get("digest") or ""),
        modified_at=str(told.get("modified_at") or ""),
        parameter_size=str(details.get("parameter_size") or ""),
        quantization=str(details.get("quantization_level") or ""),
        capabilities=able,
        loaded=loaded is not None,
        loaded_until=str(loaded.get("expires_at")) if loaded and loaded.get("expires_at") else None,
        memory=ollama.byte_count(loaded or {}, "size"),
    )
