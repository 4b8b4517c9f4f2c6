"""OpenAI's chat API, as far as it goes here: https://platform.openai.com/docs/api-reference/chat.

What is not here yet (tools, pictures, formats of answers) is refused by its name, and not left out silently.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from common.schemas import Line, RequestModel, ResponseModel, Text

_LONGEST_TEXT = 1_000_000
_EXAMPLE_MODEL = "llama3.2:3b"

ModelName = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=200,
        description="As `GET /v1/ai/models` lists it.",
        examples=[_EXAMPLE_MODEL],
    ),
]


class TextPart(RequestModel):
    """A part of a message."""

    type: Literal["text"] = Field(examples=["text"])
    text: Text = Field(max_length=_LONGEST_TEXT, examples=["Why is the sky blue?"])


class ChatMessage(RequestModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"] = Field(
        description="`developer` is `system` by its newer name.", examples=["user"]
    )
    content: (
        Annotated[Text, Field(max_length=_LONGEST_TEXT)]
        | Annotated[list[TextPart], Field(min_length=1, max_length=100)]
    ) = Field(examples=["Why is the sky blue?"])
    name: Line | None = Field(None, max_length=64, description="Taken, and not used.", examples=["ada"])

    @property
    def text(self) -> str:
        """Its words, of all parts."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(RequestModel):
    """How a stream is sent."""

    include_usage: bool = Field(
        default=False, description="One more chunk before the end, with `usage`.", examples=[True]
    )


class ChatRequest(RequestModel):
    """A conversation that a model is to continue."""

    model: ModelName
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    stream: bool = Field(
        default=False,
        description="Server-sent events, a chunk each, instead of one answer.",
        examples=[False],
    )
    stream_options: StreamOptions | None = Field(None, description="Only with `stream`.")
    temperature: float | None = Field(None, ge=0, le=2, examples=[0.7])
    top_p: float | None = Field(None, ge=0, le=1, examples=[0.9])
    max_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="The most tokens to produce.", examples=[500]
    )
    max_completion_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="`max_tokens` by its newer name, which wins.", examples=[500]
    )
    stop: (
        Annotated[Text, Field(max_length=500)]
        | Annotated[list[Annotated[Text, Field(max_length=500)]], Field(max_length=4)]
        | None
    ) = Field(None, description="Where to end.", examples=["\n\n"])
    seed: int | None = Field(None, ge=-(2**31), le=2**31 - 1, examples=[7])
    frequency_penalty: float | None = Field(None, ge=-2, le=2, examples=[0.0])
    presence_penalty: float | None = Field(None, ge=-2, le=2, examples=[0.0])
    n: int | None = Field(None, ge=1, le=1, description="One answer, and no more.", examples=[1])
    user: Line | None = Field(None, max_length=200, description="Taken, and not used.", examples=["ada"])


class Usage(ResponseModel):
    """Tokens, as the model counted them."""

    prompt_tokens: int = Field(examples=[26])
    completion_tokens: int = Field(examples=[298])
    total_tokens: int = Field(examples=[324])


class AnswerMessage(ResponseModel):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str = Field(examples=["Because of Rayleigh scattering."])
    reasoning: str | None = Field(
        None, description="What it thought before, where it tells.", examples=["Hm."]
    )


class Choice(ResponseModel):
    """One answer."""

    index: int = Field(examples=[0])
    message: AnswerMessage
    finish_reason: Literal["stop", "length"] = Field(
        description="`length` where it was cut off.", examples=["stop"]
    )


class ChatCompletion(ResponseModel):
    """An answer, whole."""

    id: str = Field(examples=["chatcmpl-01890a5dac96774bbcceb302099a8057"])
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Seconds since 1970.", examples=[1795335330])
    model: str = Field(examples=[_EXAMPLE_MODEL])
    choices: list[Choice]
    usage: Usage


class Model(ResponseModel):
    """A model that can be asked."""

    id: str = Field(examples=[_EXAMPLE_MODEL])
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970 when it was last changed.", examples=[1795335330])
    owned_by: str = Field(examples=["library"])


class ModelList(ResponseModel):
    """The models that can be asked."""

    object: Literal["list"] = "list"
    data: list[Model]


class ErrorDescription(BaseModel):
    """What went wrong."""

    message: str = Field(description="For a person.")
    type: str = Field(description="Its kind, as OpenAI names kinds.")
    param: str | None = Field(description="The member of the request that it is about.")
    code: str = Field(description="For a machine; stable within a version.")


class OpenAIError(BaseModel):
    """A refusal, in the form that OpenAI's clients know."""

    error: ErrorDescription
