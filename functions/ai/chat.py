"""A conversation continued: what OpenAI's clients send as Ollama takes it, its lines as they expect them."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal

from common import ollama
from common.ids import new_id
from functions.ai.schemas import AnswerMessage, ChatCompletion, ChatRequest, Choice, Usage

type Json = dict[str, Any]
type Reason = Literal["stop", "length"]

_OPTIONS: Final = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")


@dataclass(frozen=True, slots=True)
class Part:
    """What came with one line of the model's; the last has a `reason`, and `usage` with it."""

    content: str = ""
    reasoning: str = ""
    reason: Reason | None = None
    usage: Usage | None = None


class Head:
    """What all chunks of an answer have in common."""

    def __init__(self, model: str) -> None:
        """A new answer of this model."""
        self.id = f"chatcmpl-{new_id().hex}"
        self.created = int(time.time())
        self.model = model


async def complete(request: ChatRequest) -> ChatCompletion:
    """The answer, whole. Raises what `common.ollama.chat` raises."""
    head = Head(request.model)
    content, reasoning = [], []
    last = Part(reason="stop")
    async with aclosing(_parts(request)) as parts:
        async for last in parts:
            content.append(last.content)
            reasoning.append(last.reasoning)
    message = AnswerMessage(content="".join(content), reasoning="".join(reasoning) or None)
    return ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[Choice(index=0, message=message, finish_reason=last.reason or "stop")],
        usage=last.usage or _usage({}),
    )


async def stream(request: ChatRequest) -> AsyncGenerator[Json]:
    """The chunks of the answer, each as soon as the model has said it.

    Closing it ends the generation. Raises what `common.ollama.chat` raises, also after the first chunk.
    """
    head = Head(request.model)
    counts = request.stream_options is not None and request.stream_options.include_usage
    first = True
    async with aclosing(_parts(request)) as parts:
        async for part in parts:
            if first:
                yield _chunk(head, {"role": "assistant", "content": ""}, None, counts=counts)
                first = False
            if delta := _delta(part):
                yield _chunk(head, delta, None, counts=counts)
            if part.reason is not None:
                yield _chunk(head, {}, part.reason, counts=counts)
                if counts and part.usage is not None:
                    yield _head(head) | {"choices": [], "usage": part.usage.model_dump()}


async def _parts(request: ChatRequest) -> AsyncGenerator[Part]:
    async with aclosing(ollama.chat(_to_ollama(request))) as lines:
        async for line in lines:
            yield _part(line)


def _to_ollama(request: ChatRequest) -> Json:
    options = {name: value for name in _OPTIONS if (value := getattr(request, name)) is not None}
    most = request.max_completion_tokens or request.max_tokens
    if most is not None:
        options["num_predict"] = most
    if request.stop:
        options["stop"] = [request.stop] if isinstance(request.stop, str) else request.stop
    messages = [
        {"role": "system" if message.role == "developer" else message.role, "content": message.text}
        for message in request.messages
    ]
    return {"model": request.model, "messages": messages, "options": options}


def _part(line: Json) -> Part:
    message = line.get("message") or {}
    content, reasoning = str(message.get("content") or ""), str(message.get("thinking") or "")
    if not line.get("done"):
        return Part(content, reasoning)
    return Part(content, reasoning, "length" if line.get("done_reason") == "length" else "stop", _usage(line))


def _usage(line: Json) -> Usage:
    prompt, completion = int(line.get("prompt_eval_count") or 0), int(line.get("eval_count") or 0)
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def _delta(part: Part) -> Json:
    found = {"content": part.content, "reasoning": part.reasoning}
    return {name: value for name, value in found.items() if value}


def _head(head: Head) -> Json:
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
    }


def _chunk(head: Head, delta: Json, reason: Reason | None, *, counts: bool) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _head(head) | {"choices": [choice]} | ({"usage": None} if counts else {})
