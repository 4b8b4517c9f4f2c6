"""What an answer must be: JSON of a schema, a call of a function. What is not is asked for again once."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from common.errors import AppError
from common.json_numbers import parse
from common.logs import get_logger
from functions.ai.generation import OllamaChat, Part, Tally, ToolCall, generate
from functions.ai.json_schemas import check_schema, complaint
from functions.ai.schemas import ChatRequest
from functions.ai.translation import demands_call, offered

log = get_logger(__name__)


TIMES: Final = 2
"""How often a model is asked for an answer that passes a check."""


class AnswerUnfit(AppError):
    """The model answered twice, and neither answer was what the request demands."""

    status = 502
    code = "model_answer_unfit"
    detail = "The model's answers are not what the request demands: ask for less, or another model."


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that is over."""

    content: str
    tool_calls: tuple[ToolCall, ...]
    is_cut: bool


type Check = Callable[[Said], str]
"""What is wrong with an answer, for the model to read; empty where nothing is."""


def check_for(request: ChatRequest) -> Check | None:
    """What a request demands of each answer; None where it takes what comes. Raises SchemaRefused.

    Who has one is heard whole before anything of it but its reasoning is passed on. So arguments of functions
    are looked at (`strict`) where the answer is whole, or where a function must be called in any case.
    """
    checks: list[Check] = []
    tools = {tool.function.name: tool.function for tool in offered(request)}
    if demands_call(request):
        checks.append(lambda said: _call_complaint(said, frozenset(tools)))
    if demands_call(request) or not request.stream:
        strict = {name: tool.parameters for name, tool in tools.items() if tool.strict and tool.parameters}
        for schema in strict.values():
            check_schema(schema)
        if strict:
            checks.append(lambda said: _arguments_complaint(said, strict))
    wanted = request.response_format
    if wanted is not None and wanted.type != "text":
        schema = wanted.json_schema.definition if wanted.json_schema is not None else {"type": "object"}
        check_schema(schema)
        checks.append(lambda said: _content_complaint(said, schema))
    return _first_of(checks) if checks else None


async def answer(chat: OllamaChat, check: Check | None, tally: Tally) -> AsyncGenerator[Part]:
    """As `generate`, but what it gives passes the check; all that was said is added to `tally`.

    With a check, its reasoning comes as it is said, and the rest once it is known to fit. One that ran into
    its limit of tokens passes as it is: its `reason` tells. Raises AnswerUnfit, and what `generate` raises.
    """
    held: list[Part] = []
    for time in range(1, TIMES + 1):
        held.clear()
        async with aclosing(generate(chat)) as parts:
            async for part in parts:
                tally.add(part)
                if check is None:
                    yield part
                    continue
                held.append(replace(part, reasoning=""))
                if part.reasoning:
                    yield Part(reasoning=part.reasoning)
        said = _whole(held)
        wrong = "" if check is None or said.is_cut else check(said)
        if not wrong:
            break
        log.info("model_answer_unfit", model=chat.model, again=time < TIMES)
        if time == TIMES:
            raise AnswerUnfit
        chat = _again(chat, said, wrong)
    for part in held:
        yield part


def _whole(parts: Sequence[Part]) -> Said:
    return Said(
        "".join(part.content for part in parts),
        tuple(call for part in parts for call in part.tool_calls),
        any(part.reason == "length" for part in parts),
    )


def _again(chat: OllamaChat, said: Said, wrong: str) -> OllamaChat:
    answered: dict[str, Any] = {"role": "assistant", "content": said.content}
    if said.tool_calls:
        answered["tool_calls"] = [call.as_message for call in said.tool_calls]
    told = {
        "role": "user",
        "content": f"That was not what I asked for. {wrong} Answer again, with nothing else.",
    }
    return replace(chat, messages=[*chat.messages, answered, told])


def _first_of(checks: Sequence[Check]) -> Check:
    return lambda said: next((wrong for check in checks if (wrong := check(said))), "")


def _call_complaint(said: Said, names: frozenset[str]) -> str:
    if said.tool_calls and all(call.name in names for call in said.tool_calls):
        return ""
    return f"Call one of these functions: {', '.join(sorted(names))}."


def _arguments_complaint(said: Said, schemas: dict[str, dict[str, Any]]) -> str:
    for call in said.tool_calls:
        if call.name in schemas and (wrong := complaint(schemas[call.name], call.arguments)):
            return f"The arguments of {call.name} do not fit its JSON schema: {wrong}."
    return ""


def _content_complaint(said: Said, schema: dict[str, Any]) -> str:
    if said.tool_calls:
        return ""
    try:
        value = parse(said.content)
    except (ValueError, RecursionError):
        return "It is no JSON."
    wrong = complaint(schema, value)
    return f"It does not fit the JSON schema: {wrong}." if wrong else ""
