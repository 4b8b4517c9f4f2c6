"""A conversation continued, as OpenAI's clients expect it: whole, or chunk by chunk. Nothing is kept."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from common.ids import new_id
from common.principals import Principal
from functions.ai.admission import admitted
from functions.ai.demands import TIMES, answer, check_for
from functions.ai.generation import OllamaChat, Part, Reason, Tally, ToolCall
from functions.ai.schemas import (
    AnswerMessage,
    CalledFunction,
    ChatCompletion,
    ChatRequest,
    Choice,
    RequestedCall,
    Usage,
)
from functions.ai.side_by_side import all_of, merged
from functions.ai.translation import to_ollama

type Json = dict[str, Any]


class Head:
    """What all chunks of an answer have in common."""

    def __init__(self, model: str) -> None:
        """A new answer of this model."""
        self.id = f"chatcmpl-{new_id().hex}"
        self.created = int(time.time())
        self.model = model


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers to a request, for which the model may be asked so many `times`."""

    index: int
    times: int
    chat: OllamaChat
    tally: Tally
    parts: AsyncGenerator[Part]

    async def choice(self) -> tuple[Choice, bool]:
        """It whole, and whether the model saw less than was sent."""
        said: list[Part] = []
        async with aclosing(self.parts) as parts:
            async for part in parts:
                said.append(part)  # noqa: PERF401 - a comprehension would not close the parts
        content = "".join(part.content for part in said)
        calls = [_requested(call) for part in said for call in part.tool_calls]
        message = AnswerMessage(
            content=None if calls and not content else content,
            reasoning="".join(part.reasoning for part in said) or None,
            tool_calls=calls or None,
        )
        choice = Choice(index=self.index, message=message, finish_reason=said[-1].reason or "stop")
        return choice, said[-1].truncated


async def complete(request: ChatRequest, principal: Principal) -> ChatCompletion:
    """The answer, or as many as were asked for, whole. Raises what `stream` raises."""
    head, answers = Head(request.model), _answers(request)
    async with _metered(request, principal, answers):
        made = await all_of([each.choice() for each in answers])
    return ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[choice for choice, _ in made],
        usage=_usage(answers),
        truncated=any(truncated for _, truncated in made),
    )


async def stream(request: ChatRequest, principal: Principal) -> AsyncGenerator[Json]:
    """The chunks of the answer, or of several, each as soon as the model has said it.

    Closing it ends the generation. Raises SchemaRefused, what `admitted` raises, AnswerUnfit, and what
    `common.ollama.chat` raises, some of it also after the first chunk.
    """
    answers = _answers(request)
    counts = request.stream_options is not None and request.stream_options.include_usage
    chunks = _Chunks(Head(request.model), len(answers), counts=counts)
    async with (
        _metered(request, principal, answers),
        aclosing(merged([each.parts for each in answers])) as parts,
    ):
        async for index, part in parts:
            for chunk in chunks.of(index, part):
                yield chunk
        if counts:
            yield chunks.head | {"choices": [], "usage": _usage(answers).model_dump()}


def _answers(request: ChatRequest) -> list[Answer]:
    check = check_for(request)
    made = []
    for index in range(request.n or 1):
        chat = to_ollama(request, index)
        tally = Tally(chat)
        parts = answer(chat, check, tally)
        if request.parallel_tool_calls is False:
            parts = _one_call(parts)
        made.append(Answer(index, TIMES if check else 1, chat, tally, parts))
    return made


@asynccontextmanager
async def _metered(
    request: ChatRequest, principal: Principal, answers: Sequence[Answer]
) -> AsyncIterator[None]:
    most, generations = request.most_tokens, sum(each.times for each in answers)
    async with admitted(
        principal,
        model=request.model,
        prompt_tokens=sum(each.tally.estimate * each.times for each in answers),
        max_tokens=None if most is None else most * generations,
        generations=generations,
    ) as admission:
        for each in answers:
            each.chat.bound(admission.num_predict, admission.num_ctx)
        admission.follow(lambda: _cost(answers))
        try:
            yield
        finally:
            admission.settle(*_cost(answers))


async def _one_call(parts: AsyncGenerator[Part]) -> AsyncGenerator[Part]:
    """The same with no more than one call."""
    left = 1
    async with aclosing(parts):
        async for part in parts:
            yield replace(part, tool_calls=part.tool_calls[:left]) if part.tool_calls else part
            left -= min(left, len(part.tool_calls))


def _cost(answers: Sequence[Answer]) -> tuple[int, int]:
    prompt = sum(each.tally.prompt_tokens for each in answers)
    return prompt, sum(each.tally.completion_tokens for each in answers)


def _usage(answers: Sequence[Answer]) -> Usage:
    prompt, completion = _cost(answers)
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def _requested(call: ToolCall) -> RequestedCall:
    arguments = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
    return RequestedCall(id=call.id, function=CalledFunction(name=call.name, arguments=arguments))


class _Chunks:
    """Parts as chunks; it knows which answers have begun, and how many calls each has wanted."""

    def __init__(self, head: Head, answers: int, *, counts: bool) -> None:
        self.head: Json = {
            "id": head.id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
        }
        self._counts = counts
        self._begun: set[int] = set()
        self._calls = [0] * answers

    def of(self, index: int, part: Part) -> list[Json]:
        """The chunks that tell this part of the answer with this index."""
        made = []
        if index not in self._begun:
            self._begun.add(index)
            made.append(self._chunk(index, {"role": "assistant", "content": ""}))
        if delta := self._delta(index, part):
            made.append(self._chunk(index, delta))
        if part.reason is not None:
            last = self._chunk(index, {}, part.reason)
            made.append(last | {"truncated": True} if part.truncated else last)
        return made

    def _delta(self, index: int, part: Part) -> Json:
        calls = []
        for call in part.tool_calls:
            calls.append({"index": self._calls[index], **_requested(call).model_dump()})
            self._calls[index] += 1
        found = {"content": part.content, "reasoning": part.reasoning, "tool_calls": calls}
        return {name: value for name, value in found.items() if value}

    def _chunk(self, index: int, delta: Json, reason: Reason | None = None) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self.head | {"choices": [choice]} | ({"usage": None} if self._counts else {})
