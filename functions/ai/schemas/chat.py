from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from common.schemas import JsonObject, Line, RequestModel, Text
from functions.ai.images import MOST_BYTES, size
from functions.ai.schemas.messages import ChatMessage

_EXAMPLE_MODEL = "llama3.2:3b"
_EXAMPLE_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_MOST_PICTURES = 16
_NAME = r"^[a-zA-Z0-9_-]+$"

ModelName = Annotated[
    Line,
    Field(
        min_length=1,
        max_length=200,
        description="As `GET /v1/ai/models` lists it.",
        examples=[_EXAMPLE_MODEL],
    ),
]
type Stop = Annotated[Text, Field(max_length=500)]


class ToolFunction(RequestModel):
    """A function that the model may want called."""

    name: str = Field(pattern=_NAME, min_length=1, max_length=64, examples=["weather"])
    description: Text | None = Field(
        None, max_length=10_000, description="For the model.", examples=["The weather in a city."]
    )
    parameters: JsonObject | None = Field(
        None, description="Its arguments, as a JSON schema of an object.", examples=[_EXAMPLE_SCHEMA]
    )
    strict: bool | None = Field(
        None, description="Arguments that do not fit `parameters` are asked for again.", examples=[True]
    )


class Tool(RequestModel):
    """What the model may use."""

    type: Literal["function"] = Field(examples=["function"])
    function: ToolFunction


class ToolName(RequestModel):
    """One of the functions."""

    name: str = Field(pattern=_NAME, min_length=1, max_length=64, examples=["weather"])


class ChosenTool(RequestModel):
    """The one that must be called."""

    type: Literal["function"] = Field(examples=["function"])
    function: ToolName


class FormatSchema(RequestModel):
    """What an answer must look like."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: str = Field(pattern=_NAME, min_length=1, max_length=64, examples=["place"])
    description: Text | None = Field(None, max_length=10_000, examples=["A place."])
    definition: JsonObject = Field(
        alias="schema",
        description="A JSON schema, whose references stay within it and whose patterns do not look around.",
        examples=[_EXAMPLE_SCHEMA],
    )
    strict: bool | None = Field(
        None, description="Taken: answers are held against it in any case.", examples=[True]
    )


class ResponseFormat(RequestModel):
    """Text, some JSON object, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"] = Field(examples=["json_schema"])
    json_schema: FormatSchema | None = Field(None, description="With `json_schema`, and only there.")

    @model_validator(mode="after")
    def _check_schema(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("`json_schema` must be there with the type of its name, and only there")
        return self


class StreamOptions(RequestModel):
    """How a stream is sent."""

    include_usage: bool = Field(
        default=False, description="One more chunk before the end, with `usage`.", examples=[True]
    )
    include_obfuscation: bool | None = Field(None, description="Taken, and not used.", examples=[False])


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
    tools: Annotated[list[Tool], Field(max_length=128)] | None = Field(
        None, description="What the model may want called."
    )
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = Field(
        None,
        description="Whether it must want one called. One that must be, and is not, is asked for again once.",
        examples=["auto"],
    )
    parallel_tool_calls: bool | None = Field(
        None, description="False: of several calls only the first is passed on.", examples=[True]
    )
    response_format: ResponseFormat | None = Field(
        None,
        description="An answer that does not fit is asked for again once; in a stream it comes at the end.",
    )
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = Field(
        None, description="How hard a model thinks that can.", examples=["low"]
    )
    temperature: float | None = Field(None, ge=0, le=2, examples=[0.7])
    top_p: float | None = Field(None, ge=0, le=1, examples=[0.9])
    max_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="The most tokens to produce.", examples=[500]
    )
    max_completion_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="`max_tokens` by its newer name, which wins.", examples=[500]
    )
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = Field(
        None, description="Where to end.", examples=["\n\n"]
    )
    seed: int | None = Field(
        None, ge=-(2**31), le=2**31 - 1, description="Of several answers each has the next one.", examples=[7]
    )
    frequency_penalty: float | None = Field(None, ge=-2, le=2, examples=[0.0])
    presence_penalty: float | None = Field(None, ge=-2, le=2, examples=[0.0])
    n: int | None = Field(None, ge=1, le=4, description="How many answers, made side by side.", examples=[1])
    logprobs: Literal[False] | None = Field(None, description="There are none.", examples=[False])
    top_logprobs: int | None = Field(None, ge=0, le=0, description="There are none.", examples=[0])
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = Field(
        None, description="There is none.", examples=[{}]
    )
    modalities: list[Literal["text"]] | None = Field(None, max_length=1, examples=[["text"]])
    user: Line | None = Field(None, max_length=200, description="Taken, and not used.", examples=["ada"])
    safety_identifier: Line | None = Field(
        None, max_length=200, description="Taken, and not used.", examples=["ada"]
    )
    prompt_cache_key: Line | None = Field(
        None, max_length=200, description="Taken, and not used.", examples=["chat"]
    )
    service_tier: Line | None = Field(
        None, max_length=200, description="Taken, and not used.", examples=["auto"]
    )
    verbosity: Line | None = Field(
        None, max_length=200, description="Taken, and not used.", examples=["medium"]
    )
    store: bool | None = Field(None, description="Taken, and not used.", examples=[False])
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = Field(
        None, description="Taken, and not used.", examples=[{"page": "help"}]
    )

    @field_validator("messages")
    @classmethod
    def _check_messages(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        pictures = [each for message in messages for each in message.pictures]
        if len(pictures) > _MOST_PICTURES or sum(map(size, pictures)) > MOST_BYTES:
            raise ValueError(f"at most {_MOST_PICTURES} pictures, of {MOST_BYTES} bytes together, fit in")
        known: set[str] = set()
        for message in messages:
            if message.tool_call_id is not None and message.tool_call_id not in known:
                raise ValueError("a message of `tool` must answer a call of a message before it")
            known |= {call.id for call in message.tool_calls or ()}
        return messages

    @model_validator(mode="after")
    def _check_tools(self) -> Self:
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise ValueError("two `tools` have the same name")
        wanted = self.tool_choice
        if isinstance(wanted, ChosenTool) and wanted.function.name not in names:
            raise ValueError("`tool_choice` names no function of `tools`")
        if wanted == "required" and not names:
            raise ValueError("`tool_choice` wants a function called, and `tools` has none")
        return self

    @property
    def most_tokens(self) -> int | None:
        """The most that an answer may have; None where nothing bounds it."""
        return self.max_completion_tokens or self.max_tokens
