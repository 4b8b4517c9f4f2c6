"""Models, as administrators see them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from common.schemas import RequestModel, ResponseModel
from functions.ai.schemas.chat import ModelName

Task = Literal["chat", "title", "summary", "embedding"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
_NAMES = ["llama3.2:3b"]


class ModelSettings(ResponseModel):
    """What is settled about a model, however it is spelled: its name in small letters, with its tag."""

    id: str = Field(examples=_NAMES)
    roles: list[str] | None = Field(
        description="Whose roles may use it; null: whoever may use models at all.", examples=[["admin"]]
    )
    tasks: list[Task] = Field(description="What it is the default for.", examples=[["chat", "title"]])
    num_ctx: int | None = Field(
        description="How many tokens it sees at once; null: OLLAMA_NUM_CTX.", examples=[16_384]
    )


class ManagedModel(ModelSettings):
    """A model that is there, and what is settled about it."""

    size: int = Field(description="Bytes on the disk.", examples=[2_019_393_189])
    digest: str = Field(examples=["a80c4f17acd5"])
    modified_at: str = Field(description="As Ollama has it.", examples=["2026-11-03T10:11:12.5+01:00"])
    parameter_size: str = Field(examples=["3.2B"])
    quantization: str = Field(examples=["Q4_K_M"])
    capabilities: list[str] = Field(
        description="As Ollama names them; none where it does not tell.", examples=[["completion", "tools"]]
    )
    loaded: bool = Field(description="Whether it is in memory.", examples=[True])
    loaded_until: str | None = Field(description="Unless it is used.", examples=[None])
    memory: int = Field(description="Bytes in memory, 0 where it is not there.", examples=[3_200_000_000])


class ManagedModels(ResponseModel):
    """The models that are there."""

    items: list[ManagedModel]


class ModelChange(RequestModel):
    """What may be settled about a model; a member that is left out stays as it is."""

    roles: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None,
        max_length=64,
        description="Whose roles may use it, none for nobody; null: whoever may use models at all.",
        examples=[["admin"]],
    )
    tasks: list[Task] = Field(
        default_factory=list,
        max_length=4,
        description="What it is the default for, and no other is then.",
        examples=[["chat", "title"]],
    )
    num_ctx: int | None = Field(
        None,
        ge=256,
        le=10_000_000,
        description="How many tokens it sees at once; null: OLLAMA_NUM_CTX.",
        examples=[16_384],
    )


class PreloadCreate(RequestModel):
    """A model that is to be in memory."""

    model: ModelName
    keep_seconds: int = Field(
        default=300,
        ge=-1,
        le=86_400,
        description="How long without use; 0 unloads it, -1 is for ever.",
        examples=[600],
    )


class PullCreate(RequestModel):
    """A model that is to be pulled."""

    model: ModelName


class PullRead(ResponseModel):
    """A model on its way to Ollama."""

    id: UUID
    model: str = Field(examples=_NAMES)
    state: State = Field(description="One is `running` at a time.", examples=["running"])
    status: str = Field(description="Ollama's own word on it.", examples=["pulling dde5aa3fc5ff"])
    completed: int = Field(description="Bytes of those parts that it knows of by now.", examples=[1_048_576])
    total: int = Field(examples=[2_019_393_189])
    problem: str | None = Field(description="The code of why it failed.", examples=[None])
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(examples=[None])
