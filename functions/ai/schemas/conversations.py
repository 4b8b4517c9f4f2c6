"""Conversations, and what is said in them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from common.schemas import Line, RequestModel, ResponseModel, Text

type ExportFormat = Literal["json", "markdown"]
type MessageState = Literal["streaming", "done", "stopped", "abandoned", "failed", "interrupted"]

MOST_CHARACTERS = 100_000


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


ConversationModel = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200), AfterValidator(_not_blank)]
System = Annotated[Text, StringConstraints(max_length=20_000)]
Content = Annotated[
    Text, StringConstraints(min_length=1, max_length=MOST_CHARACTERS), AfterValidator(_not_blank)
]


class Parameters(RequestModel):
    """How a model is to answer; what is null is as the model has it."""

    temperature: float | None = Field(None, ge=0, le=2, examples=[0.7])
    top_p: float | None = Field(None, ge=0, le=1, examples=[0.9])
    seed: int | None = Field(None, ge=-(2**31), le=2**31 - 1, examples=[7])
    max_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="The most tokens of an answer.", examples=[500]
    )
    stop: (
        Annotated[list[Annotated[Text, Field(min_length=1, max_length=500)]], Field(max_length=4)] | None
    ) = Field(None, description="Where to end.", examples=[["\n\n"]])
    think: bool | Literal["low", "medium", "high"] | None = Field(
        None, description="Whether, or how hard, it thinks before it answers.", examples=[False]
    )


class ConversationCreate(RequestModel):
    """A new conversation."""

    model: ConversationModel | None = Field(
        None,
        description="Who answers; without one, the model that administrators made the default of `chat`.",
        examples=["llama3.2:3b"],
    )
    title: Title | None = Field(
        None,
        description="Without one, it gets one of the model's after the first answer.",
        examples=["The sky"],
    )
    system: System = Field("", description="What the model is told first.", examples=["Be brief."])
    parameters: Parameters = Field(default_factory=Parameters)


class ConversationChange(RequestModel):
    """What to change; what is absent stays."""

    title: Title | None = Field(None, examples=["Why the sky is blue"])
    pinned: bool | None = Field(None, examples=[True])
    archived: bool | None = Field(None, examples=[False])
    model: ConversationModel | None = Field(None, examples=["llama3.2:3b"])
    system: System | None = Field(None, examples=["Be brief."])
    parameters: Parameters | None = Field(None, description="All of them: what is absent there goes.")
    leaf_id: UUID | None = Field(None, description="The last message of the branch to go on with.")


class ConversationQuery(BaseModel):
    """Which conversations."""

    archived: bool = Field(
        default=False, description="Those in the archive, the latest there first.", examples=[False]
    )
    pinned: bool | None = Field(None, description="Those that are, or are not.", examples=[True])
    model: ConversationModel | None = Field(
        None, description="Those that this one answers.", examples=["llama3.2:3b"]
    )
    q: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None,
        description="Text within the title, or words of what was said: `-` before one excludes it,"
        " quotes keep several together.",
        examples=["sky -blue"],
    )


class ConversationRead(ResponseModel):
    """A conversation."""

    id: UUID
    title: str | None = Field(examples=["Why the sky is blue"])
    titled_by: Literal["person", "model"] | None = Field(examples=["model"])
    model: str = Field(examples=["llama3.2:3b"])
    system: str = Field(examples=["Be brief."])
    parameters: Parameters
    pinned: bool = Field(examples=[False])
    archived_at: datetime | None = Field(examples=[None])
    leaf_id: UUID | None = Field(description="The last message of the branch that is shown.")
    created_at: datetime = Field(examples=["2026-11-22T10:00:00Z"])
    updated_at: datetime = Field(
        description="When something was said last.", examples=["2026-11-22T10:00:00Z"]
    )
    version: int = Field(description="The ETag.", examples=[1])


class MessageCreate(RequestModel):
    """What you say."""

    content: Content = Field(examples=["Why is the sky blue?"])
    parent_id: UUID | None = Field(
        None,
        description="The answer that this follows; the last one unless given. Null begins anew. To edit a"
        " message, say it again after the parent of that one: both stay, as branches.",
    )
    model: ConversationModel | None = Field(
        None, description="Who answers, this time.", examples=["llama3.2:3b"]
    )
    parameters: Parameters | None = Field(None, description="How, this time, in place of the conversation's.")
    stream: bool | None = Field(
        None,
        description="False: the answer comes whole. Unless given, `Accept: application/json` says so too.",
        examples=[True],
    )


class Regeneration(RequestModel):
    """How to answer another time."""

    model: ConversationModel | None = Field(
        None, description="Who answers, this time.", examples=["llama3.2:3b"]
    )
    parameters: Parameters | None = Field(None, description="How, this time, in place of the conversation's.")
    stream: bool | None = Field(None, description="As of a message.", examples=[True])


class MessageQuery(BaseModel):
    """Which messages."""

    leaf_id: UUID | None = Field(
        None, description="The last message of the branch; the conversation's unless given."
    )
    branches: bool = Field(
        default=False,
        description="All messages of all branches, in the order they were said.",
        examples=[False],
    )
    order: Literal["asc", "desc"] = Field("asc", description="`desc`: the last first.", examples=["asc"])


class ProblemRead(ResponseModel):
    """Why an answer failed."""

    code: str = Field(examples=["model_failed"])
    detail: str = Field(examples=["The model server failed to answer: try again."])


class MessageRead(ResponseModel):
    """One message."""

    id: UUID
    conversation_id: UUID
    parent_id: UUID | None = Field(description="What it follows; null for the first.")
    depth: int = Field(description="How many are before it on its branch.", examples=[1])
    role: Literal["user", "assistant"] = Field(examples=["assistant"])
    state: MessageState = Field(
        description="`streaming` while it is generated: the text is in its events, and here once it has"
        " ended. What ended otherwise than `done` keeps what was said by then.",
        examples=["done"],
    )
    content: str = Field(examples=["Because of Rayleigh scattering."])
    reasoning: str = Field(examples=[""])
    model: str | None = Field(description="Who said it; null for you.", examples=["llama3.2:3b"])
    parameters: Parameters
    finish_reason: str | None = Field(
        description="`stop`, or `length` where it was cut off.", examples=["stop"]
    )
    problem: ProblemRead | None = Field(description="Where it `failed`, why.")
    truncated: bool = Field(
        description="Whether the model saw less of what it was sent than all of it.", examples=[False]
    )
    left_out: int = Field(
        description="How many of the messages before it the model was not sent, as they had no room.",
        examples=[0],
    )
    prompt_tokens: int | None = Field(
        description="As the model counted; null where it did not come to that.", examples=[26]
    )
    completion_tokens: int | None = Field(examples=[298])
    timings: dict[str, Any] = Field(
        description="In ms: `first_token_ms`, `total_ms`; the model's own `model_ms`, of which `load_ms`,"
        " `prompt_ms` and `answer_ms`.",
        examples=[{"first_token_ms": 180.2, "total_ms": 2450.9, "model_ms": 2440.1}],
    )
    created_at: datetime = Field(examples=["2026-11-22T10:00:00Z"])
    finished_at: datetime | None = Field(examples=["2026-11-22T10:00:03Z"])


class Started(ResponseModel):
    """The first event of a stream: which messages it is about."""

    conversation_id: UUID
    parent_id: UUID | None
    message_id: UUID
    model: str
