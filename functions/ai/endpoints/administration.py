from typing import Annotated, Final

from fastapi import Path

from common.access import requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db
from common.draining import until_the_end
from common.errors import NotFound, PreconditionFailed, PreconditionRequired, Unavailable, problems
from common.ollama import (
    ModelFailed,
    ModelNotFound,
    ModelRefused,
    ModelServerBusy,
    ModelServerDown,
    ModelTooSlow,
)
from common.routing import Router
from functions.ai import administration
from functions.ai.administration import UnknownRoles
from functions.ai.schemas import ModelName
from functions.ai.schemas.administration import ManagedModels, ModelChange, ModelSettings, PreloadCreate

router = Router(prefix="/v1/ai", tags=["ai"])

_ADMINISTRATORS = requires("ai:admin", live=True)
_OLLAMAS: Final = (ModelFailed, ModelServerBusy, ModelServerDown, ModelTooSlow, Unavailable)
Name = Annotated[ModelName, Path()]


@router.get(
    "/admin/models",
    operation_id="list_managed_models",
    summary="List models with all that is known of them",
    dependencies=[_ADMINISTRATORS],
    responses=problems(*_OLLAMAS),
)
async def list_managed_models() -> ManagedModels:
    """The models that are there: what they can, how large they are, which are in memory, what is settled."""
    return await administration.list_models()


@router.get(
    "/admin/models/{managed_model_id:path}",
    operation_id="read_model_settings",
    summary="Read what is settled about a model",
    dependencies=[_ADMINISTRATORS],
    openapi_extra=CONDITIONAL_GET,
    # A line break is in no path, and so in no name.
    responses=problems(NotFound, Unavailable),
)
async def read_model_settings(managed_model_id: Name) -> ModelSettings:
    """What is settled about a model, with its ETag; also about one that is not there yet."""
    return await administration.read_settings(managed_model_id)


@router.patch(
    "/admin/models/{managed_model_id:path}",
    operation_id="change_model_settings",
    summary="Settle who may use a model, and what for",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound, PreconditionFailed, PreconditionRequired, UnknownRoles),
)
def change_model_settings(
    managed_model_id: Name, body: ModelChange, db: Db, if_match: IfMatch = None
) -> ModelSettings:
    """Whose roles may use it, what it is the default for, how much it sees at once.

    Who may not use a model is told that there is none. A model may be settled before it is pulled.
    """
    return administration.change_settings(db, managed_model_id, body, if_match)


@router.delete(
    "/admin/models/{managed_model_id:path}",
    status_code=204,
    operation_id="delete_model",
    summary="Delete a model",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound, ModelNotFound, ModelRefused, *_OLLAMAS),
)
async def delete_model(managed_model_id: Name) -> None:
    """Delete a model from the disk. Who may use it stays settled, should it come back."""
    await administration.delete_model(managed_model_id)


@router.post(
    "/preloads",
    status_code=204,
    operation_id="preload_model",
    summary="Load a model, or unload it",
    dependencies=[_ADMINISTRATORS],
    responses=problems(ModelNotFound, ModelRefused, *_OLLAMAS),
)
async def preload_model(body: PreloadCreate) -> None:
    """Answers once the model is in memory, so that the next who asks need not wait for that."""
    async with until_the_end():
        await administration.preload(body.model, body.keep_seconds)
