from typing import Annotated, Literal

from pydantic import Field

from common.schemas import Line, RequestModel, ResponseModel, Text
from functions.ai.schemas.chat import ModelName

_LONGEST = 200_000
MOST_INPUTS = 256

type _Input = Annotated[Text, Field(min_length=1, max_length=_LONGEST)]


class EmbeddingRequest(RequestModel):
    """Texts that are to become vectors."""

    model: ModelName | None = Field(
        None, description="Without one, the default for `embedding`.", examples=["embeddinggemma:300m"]
    )
    input: _Input | Annotated[list[_Input], Field(min_length=1, max_length=MOST_INPUTS)] = Field(
        description="A text, or up to 256 of them. Numbers of tokens are not taken: each model has its own.",
        examples=["The sky is blue."],
    )
    dimensions: int | None = Field(
        None, ge=1, le=65_536, description="How long vectors are to be, where the model can.", examples=[256]
    )
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="`base64`: 32-bit floats, little endian.", examples=["float"]
    )
    user: Line | None = Field(None, max_length=200, description="Taken, and not used.", examples=["ada"])


class Embedding(ResponseModel):
    """One vector, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int = Field(description="Of the text in `input`.", examples=[0])
    embedding: list[float] | str = Field(examples=[[0.6, -0.8]])


class EmbeddingUsage(ResponseModel):
    """Tokens, as the model counted them."""

    prompt_tokens: int = Field(examples=[6])
    total_tokens: int = Field(examples=[6])


class EmbeddingList(ResponseModel):
    """The vectors, in the order of their texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str = Field(examples=["embeddinggemma:300m"])
    usage: EmbeddingUsage
