"""The messages of a conversation, as OpenAI's clients send them."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from common.json_numbers import parse
from common.schemas import Line, RequestModel, Text, writable
from functions.ai.images import LONGEST_URL, picture

LONGEST_TEXT = 1_000_000


def _arguments(text: str) -> str:
    try:
        found = parse(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object, with numbers that a 64-bit float holds")  # noqa: TRY004 - of a value, not of a type: pydantic tells a ValueError
    writable(found)
    return text


class TextPart(RequestModel):
    """A part of a message."""

    type: Literal["text"] = Field(examples=["text"])
    text: Text = Field(max_length=LONGEST_TEXT, examples=["Why is the sky blue?"])


class ImageUrl(RequestModel):
    """A picture."""

    url: Annotated[str, AfterValidator(picture)] = Field(
        max_length=LONGEST_URL,
        description="A data URL of a PNG, JPEG, WebP or GIF picture. Nothing is fetched from elsewhere.",
        examples=["data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="],
    )
    detail: Literal["auto", "low", "high"] | None = Field(
        None, description="Taken, and not used.", examples=["auto"]
    )


class ImagePart(RequestModel):
    """A picture in a message."""

    type: Literal["image_url"] = Field(examples=["image_url"])
    image_url: ImageUrl


type _Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
type _Parts = Annotated[list[_Part], Field(min_length=1, max_length=100)]


def _as_parts(content: object) -> object:
    # One form inside, and what is wrong has one place: of two forms, both would be told to be wrong.
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


type _Content = Annotated[
    _Parts,
    BeforeValidator(
        _as_parts, json_schema_input_type=Annotated[str, Field(max_length=LONGEST_TEXT)] | _Parts
    ),
]


class FunctionCall(RequestModel):
    """A function, and what the model wanted it called with."""

    name: Line = Field(min_length=1, max_length=200, examples=["weather"])
    arguments: Annotated[Text, AfterValidator(_arguments)] = Field(
        max_length=LONGEST_TEXT, description="A JSON object.", examples=['{"city":"Oslo"}']
    )
    parsed_arguments: Any = Field(
        None, description="What OpenAI's JavaScript package adds: taken, and not used.", examples=[None]
    )


class MessageCall(RequestModel):
    """A call that the model wanted made, as its answer had it."""

    id: Line = Field(min_length=1, max_length=200, examples=["call_5f2c1e0b7d3a4c6e8f901234"])
    type: Literal["function"] = Field("function", examples=["function"])
    function: FunctionCall
    index: int | None = Field(None, ge=0, le=1000, description="Taken, and not used.", examples=[0])


class ChatMessage(RequestModel):
    """One turn of a conversation. What an answer had in it may be sent back as it came."""

    role: Literal["system", "developer", "user", "assistant", "tool"] = Field(
        description="`developer` is `system` by its newer name; `tool` is what a function gave.",
        examples=["user"],
    )
    content: _Content | None = Field(None, examples=["Why is the sky blue?"])
    tool_calls: Annotated[list[MessageCall], Field(max_length=128)] | None = Field(
        None, description="Of the assistant: what it wanted called."
    )
    tool_call_id: Line | None = Field(
        None,
        max_length=200,
        description="Of a tool: which call it answers.",
        examples=["call_5f2c1e0b7d3a4c6e8f901234"],
    )
    reasoning: Annotated[Text, Field(max_length=LONGEST_TEXT)] | None = Field(
        None, description="Of the assistant: what it thought.", examples=["Hm."]
    )
    name: Line | None = Field(None, max_length=64, description="Taken, and not used.", examples=["ada"])
    refusal: Text | None = Field(None, max_length=LONGEST_TEXT, description="The same.", examples=[None])
    annotations: list[Any] | None = Field(None, max_length=100, description="The same.", examples=[None])
    parsed: Any = Field(None, description="The same.", examples=[None])
    audio: None = Field(None, description="There is none.", examples=[None])
    function_call: None = Field(None, description="`tool_calls` is what it is called now.", examples=[None])

    @model_validator(mode="after")
    def _check_role(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError(f"a message of `{self.role}` must have `content`")
        if self.pictures and self.role != "user":
            raise ValueError("only a message of `user` may have pictures")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only a message of `assistant` may have `tool_calls`")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError("a message of `tool`, and no other, must have `tool_call_id`")
        return self

    @property
    def text(self) -> str:
        """Its words, of all parts."""
        return "".join(part.text for part in self.content or () if isinstance(part, TextPart))

    @property
    def pictures(self) -> list[str]:
        """Its pictures, each in base64."""
        return [part.image_url.url for part in self.content or () if isinstance(part, ImagePart)]
