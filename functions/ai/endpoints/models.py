from typing import Annotated, Final

from fastapi import Path

from common.access import Principal, requires
from common.errors import NotFound, Unavailable, problems
from common.ollama import ModelFailed, ModelNotFound, ModelServerBusy, ModelServerDown, ModelTooSlow
from common.routing import Router
from functions.ai import models
from functions.ai.schemas import Model, ModelList, ModelName

router = Router(prefix="/v1/ai/models", tags=["ai"])

Reader = Annotated[Principal, requires("ai:use")]
_OLLAMAS: Final = (ModelFailed, ModelServerBusy, ModelServerDown, ModelTooSlow)


@router.get(
    "",
    operation_id="list_models",
    summary="List the models",
    responses=problems(Unavailable, *_OLLAMAS),
)
async def list_models(reader: Reader) -> ModelList:
    """What `model` may be in a conversation of yours, as OpenAI's `GET /models`."""
    return await models.list_models(reader)


@router.get(
    "/{model_id:path}",
    operation_id="read_model",
    summary="Read a model",
    # A line break is in no path, and so in no name.
    responses=problems(NotFound, ModelNotFound, Unavailable, *_OLLAMAS),
)
async def read_model(model_id: Annotated[ModelName, Path()], reader: Reader) -> Model:
    """One of them, as OpenAI's `GET /models/{model}`; a name may have slashes in it."""
    return await models.read_model(reader, model_id)
