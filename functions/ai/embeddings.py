"""Texts as vectors, as OpenAI's clients expect them."""

import base64
import math
import sys
from array import array
from typing import Any

from common import ollama
from common.database import in_reading
from common.ollama import ModelRefused
from common.principals import Principal
from functions.ai.admission import admitted
from functions.ai.models import named_or_default
from functions.ai.schemas import Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage

type Vector = list[float]


async def embed(request: EmbeddingRequest, principal: Principal) -> EmbeddingList:
    """A vector for each text.

    Raises NoDefaultModel, ModelRefused, what `admitted` raises, and what `ollama.embed` raises.
    """
    texts = [request.input] if isinstance(request.input, str) else request.input
    model = request.model
    if model is None:
        model = await in_reading(lambda connection: named_or_default(connection, None, "embedding"))
    wanted: dict[str, Any] = {"model": model, "input": texts}
    if request.dimensions is not None:
        wanted["dimensions"] = request.dimensions
    estimate = ollama.estimate_tokens([{"content": text} for text in texts])
    async with admitted(principal, model=model, prompt_tokens=estimate, max_tokens=0) as admission:
        told = await ollama.embed(wanted)
        counted = ollama.token_count(told, "prompt_eval_count")
        tokens = estimate if counted is None else counted
        admission.settle(tokens, 0)
    vectors = (_fitted(vector, request.dimensions) for vector in told["embeddings"])
    return EmbeddingList(
        data=[
            Embedding(index=index, embedding=_packed(each) if request.encoding_format == "base64" else each)
            for index, each in enumerate(vectors)
        ],
        model=model,
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _fitted(vector: Vector, dimensions: int | None) -> Vector:
    """As long as was asked for, and of length 1: not every version of Ollama sees to both."""
    if dimensions is None:
        return vector
    if len(vector) < dimensions:
        raise ModelRefused(f"The model makes vectors of {len(vector)} numbers: ask for no more `dimensions`.")
    cut = vector[:dimensions]
    length = math.hypot(*cut) or 1.0
    return [each / length for each in cut]


def _packed(vector: Vector) -> str:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
