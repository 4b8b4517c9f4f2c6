from typing import Literal

from pydantic import Field

from common.schemas import ResponseModel

_EXAMPLE_MODEL = "llama3.2:3b"


class Usage(ResponseModel):
    """Tokens, as the model counted them: of all answers, and of what was asked again."""

    prompt_tokens: int = Field(examples=[26])
    completion_tokens: int = Field(examples=[298])
    total_tokens: int = Field(examples=[324])


class CalledFunction(ResponseModel):
    """A function, and what it is called with."""

    name: str = Field(examples=["weather"])
    arguments: str = Field(
        description="JSON, as the model wrote it: check it before you use it.", examples=['{"city":"Oslo"}']
    )


class RequestedCall(ResponseModel):
    """A call that the model wants made."""

    id: str = Field(examples=["call_5f2c1e0b7d3a4c6e8f901234"])
    type: Literal["function"] = "function"
    function: CalledFunction


class AnswerMessage(ResponseModel):
    """What the model said."""

    role: Literal["assistant"] = "assistant"
    content: str | None = Field(
        description="Null where it only wants functions called.", examples=["Because of Rayleigh scattering."]
    )
    reasoning: str | None = Field(
        None, description="What it thought before, where it tells.", examples=["Hm."]
    )
    tool_calls: list[RequestedCall] | None = Field(None, description="What it wants called.")
    refusal: None = Field(None, description="Models here put no refusal apart.")


class Choice(ResponseModel):
    """One answer."""

    index: int = Field(examples=[0])
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length", "tool_calls"] = Field(
        description="`length` where it was cut off, `tool_calls` where it waits for functions.",
        examples=["stop"],
    )


class ChatCompletion(ResponseModel):
    """An answer, whole; or several."""

    id: str = Field(examples=["chatcmpl-01890a5dac96774bbcceb302099a8057"])
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Seconds since 1970.", examples=[1795335330])
    model: str = Field(examples=[_EXAMPLE_MODEL])
    choices: list[Choice]
    usage: Usage
    truncated: bool = Field(
        default=False,
        description="Whether the model saw less than was sent, as it was more than fits its context.",
        examples=[False],
    )


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
