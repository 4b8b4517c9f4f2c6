"""What OpenAI's clients ask, as Ollama takes it."""

import json
from typing import Any, Final, Literal

from functions.ai.generation import OllamaChat
from functions.ai.schemas import ChatMessage, ChatRequest, ChosenTool, Tool

type Json = dict[str, Any]
type Think = bool | Literal["low", "medium", "high", "max"] | None

_OPTIONS: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_EFFORTS: Final[dict[str | None, Think]] = {
    None: None, "none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high",
    "xhigh": "max",
}  # fmt: skip
_NO_ARGUMENTS: Final[Json] = {"type": "object", "properties": {}}


def to_ollama(request: ChatRequest, index: int = 0) -> OllamaChat:
    """The question for the answer with this index."""
    options = {name: value for name in _OPTIONS if (value := getattr(request, name)) is not None}
    if request.most_tokens is not None:
        options["num_predict"] = request.most_tokens
    if request.stop:
        options["stop"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.seed is not None:
        # With the same one, all answers would be the same.
        options["seed"] = request.seed + index
    tools = offered(request)
    return OllamaChat(
        request.model,
        _demand(request) + _messages(request.messages),
        options,
        tuple(map(_tool, tools)),
        _format(request),
        _EFFORTS[request.reasoning_effort],
    )


def offered(request: ChatRequest) -> list[Tool]:
    """The tools that the model may use: all, none, or the one that it must."""
    tools, choice = request.tools or [], request.tool_choice
    if isinstance(choice, ChosenTool):
        return [tool for tool in tools if tool.function.name == choice.function.name]
    return [] if choice == "none" else tools


def demands_call(request: ChatRequest) -> bool:
    """Whether some function must be called."""
    return isinstance(request.tool_choice, ChosenTool) or request.tool_choice == "required"


def _demand(request: ChatRequest) -> list[Json]:
    # Ollama has no such choice: it is told in words, and the answer is looked at.
    if not demands_call(request):
        return []
    choice = request.tool_choice
    which = (
        f"the function {choice.function.name}" if isinstance(choice, ChosenTool) else "one of the functions"
    )
    return [{"role": "system", "content": f"Answer with a call of {which}, and with nothing else."}]


def _messages(messages: list[ChatMessage]) -> list[Json]:
    names: dict[str, str] = {}
    made = []
    for message in messages:
        names |= {call.id: call.function.name for call in message.tool_calls or ()}
        made.append(_message(message, names))
    return made


def _message(message: ChatMessage, names: dict[str, str]) -> Json:
    made: Json = {
        "role": "system" if message.role == "developer" else message.role,
        "content": message.text,
    }
    if message.pictures:
        made["images"] = message.pictures
    if message.role == "assistant" and message.reasoning:
        made["thinking"] = message.reasoning
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "id": call.id,
                "function": {"name": call.function.name, "arguments": _object(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        made |= {"tool_name": names[message.tool_call_id], "tool_call_id": message.tool_call_id}
    return made


def _object(text: str) -> Json:
    found: Json = json.loads(text or "{}")
    return found


def _tool(tool: Tool) -> Json:
    function = tool.function
    made: Json = {"name": function.name, "parameters": function.parameters or _NO_ARGUMENTS}
    if function.description:
        made["description"] = function.description
    return {"type": "function", "function": made}


def _format(request: ChatRequest) -> Json | Literal["json"] | None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    return wanted.json_schema.definition if wanted.json_schema is not None else "json"
