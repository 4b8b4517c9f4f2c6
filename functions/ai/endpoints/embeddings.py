from typing import Annotated

from fastapi import Request

from common.access import Principal, requires
from common.errors import Unavailable, problems
from common.ollama import (
    ModelFailed,
    ModelNotFound,
    ModelRefused,
    ModelServerBusy,
    ModelServerDown,
    ModelTooSlow,
)
from common.routing import Router
from functions.ai import embeddings
from functions.ai.endpoints.streams import while_connected
from functions.ai.models import NoDefaultModel
from functions.ai.quotas import QuotaExceeded
from functions.ai.schemas import EmbeddingList, EmbeddingRequest
from functions.ai.turns import AiBusy

router = Router(prefix="/v1/ai/embeddings", tags=["ai"])


@router.post(
    "",
    operation_id="create_embeddings",
    summary="Turn texts into vectors",
    responses=problems(
        *(ModelFailed, ModelNotFound, ModelRefused, ModelServerBusy, ModelServerDown, ModelTooSlow),
        *(AiBusy, NoDefaultModel, QuotaExceeded, Unavailable),
    ),
)
async def create_embeddings(
    body: EmbeddingRequest, request: Request, principal: Annotated[Principal, requires("ai:use")]
) -> EmbeddingList:
    """A vector of length 1 for each text, as OpenAI's `POST /embeddings`.

    Texts that mean alike have vectors that are near each other. A text that is longer than the model reads
    is refused, and not cut. Without a `model` it is the default for `embedding`.
    """
    return await while_connected(request, embeddings.embed(body, principal))
