"""A generation: what a model is asked, and what it says, part by part.

The one way in which this function has a model speak. It knows no HTTP, no OpenAI and no database, so that
whoever stores, meters or resumes what is said can stand around it:

    chat = OllamaChat("llama3.2:3b", [{"role": "user", "content": "Why is the sky blue?"}])
    tally = Tally(chat)
    async with admitted(principal, model=chat.model, prompt_tokens=chat.prompt_tokens) as admission:
        try:
            async with aclosing(generate(chat)) as parts:
                async for part in parts:
                    tally.add(part)
                    ...
        finally:
            admission.settle(tally.prompt_tokens, tally.completion_tokens)
"""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import uuid4

from common import ollama
from common.settings import get_settings

type Json = dict[str, Any]
type Reason = Literal["stop", "length", "tool_calls"]

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_ODD: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class OllamaChat:
    """What a model is asked, in the form of Ollama's `/api/chat`.

    `messages` are its messages, pictures as base64 in `images`, arguments of tool calls as objects; `tools`
    its tools. `answer_format` is "json" or a JSON schema. `think` is whether, or how hard, it thinks before.
    `options.num_ctx` is OLLAMA_NUM_CTX unless it is there.
    """

    model: str
    messages: list[Json]
    options: Json = field(default_factory=dict)
    tools: tuple[Json, ...] = ()
    answer_format: Json | Literal["json"] | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens it sends."""
        return ollama.estimate_tokens(self.messages, self.tools)

    @property
    def num_ctx(self) -> int:
        """How many tokens the model sees at once, its answer included."""
        return int(self.options.get("num_ctx") or get_settings().ollama_num_ctx)

    def bound(self, most: int | None, num_ctx: int | None) -> None:
        """Have it say at most `most` tokens, and see `num_ctx`, before it is asked. Null changes nothing."""
        if num_ctx is not None:
            self.options.setdefault("num_ctx", num_ctx)
        if most is not None:
            self.options["num_predict"] = min(most, int(self.options.get("num_predict") or most))

    @property
    def body(self) -> Json:
        """As `/api/chat` takes it."""
        wanted = {"tools": list(self.tools), "format": self.answer_format, "think": self.think}
        given = {name: value for name, value in wanted.items() if value not in (None, [])}
        return {"model": self.model, "messages": self.messages, "options": self.options, **given}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called; `arguments` as it gave them, which nobody has checked."""

    id: str
    name: str
    arguments: Json

    @property
    def as_message(self) -> Json:
        """As a message of the assistant's has it, in Ollama's form."""
        return {"id": self.id, "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens, as the model counted them; those that it had already in its cache may not be among them."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    """How long it took, in ms: all of it, to load the model, to read the prompt, to answer."""

    total_ms: float
    load_ms: float
    prompt_ms: float
    answer_ms: float


@dataclass(frozen=True, slots=True)
class Part:
    """What came with one line of the model's.

    The last one, and no other, has a `reason`, and with it `counts`, `timings`, and whether the model saw
    less than it was sent (`truncated`).
    """

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reason: Reason | None = None
    counts: Counts | None = None
    timings: Timings | None = None
    truncated: bool = False

    @property
    def done(self) -> bool:
        """Whether it is the last."""
        return self.reason is not None


class Tally:
    """What a generation has cost so far: the model's counts once it has told, an estimate before that."""

    def __init__(self, request: OllamaChat) -> None:
        """Nothing yet; `estimate` is what the prompt may come to."""
        self.estimate = request.prompt_tokens
        self._counted_prompt = self._counted_completion = 0
        self._lines = 0

    def add(self, part: Part) -> None:
        """One more part. After a last one, more may follow of the same question asked again."""
        if part.counts is None:
            self._lines += 1
            return
        self._lines = 0
        self._counted_prompt += part.counts.prompt_tokens
        self._counted_completion += part.counts.completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """None before a first part."""
        return self._counted_prompt + (self.estimate if self._lines else 0)

    @property
    def completion_tokens(self) -> int:
        """A line is a token, as far as one can tell."""
        return self._counted_completion + self._lines


async def generate(request: OllamaChat) -> AsyncGenerator[Part]:
    """What the model says, each part as soon as it has come; the last one is `done`.

    Closing it ends the generation: use `contextlib.aclosing`. Raises what `common.ollama.chat` raises, also
    after the first part.
    """
    called, said = False, 0
    async with aclosing(ollama.chat(request.body)) as lines:
        async for line in lines:
            part = _part(line, request, said, called=called)
            called, said = called or bool(part.tool_calls), said + 1
            yield part


def storable(text: str) -> str:
    """The text, with U+FFFD for what neither Postgres nor UTF-8 has: a model may say anything."""
    text = text.replace("\x00", _ODD)
    return text if text.isascii() else _SURROGATES.sub(_ODD, text)


def _part(line: Json, request: OllamaChat, said: int, *, called: bool) -> Part:
    message = line.get("message") or {}
    content, reasoning = (storable(str(message.get(name) or "")) for name in ("content", "thinking"))
    calls = tuple(map(_call, message.get("tool_calls") or ()))
    if not line.get("done"):
        return Part(content, reasoning, calls)
    reason: Reason = "tool_calls" if called or calls else "stop"
    return Part(
        content,
        reasoning,
        calls,
        "length" if line.get("done_reason") == "length" else reason,
        _counts(line, request, said),
        _timings(line),
        ollama.was_truncated(request.body, line, request.num_ctx),
    )


def _counts(line: Json, request: OllamaChat, said: int) -> Counts:
    """The model's; in place of one that is none, what `Tally` takes while it has not told."""
    prompt, answer = (ollama.token_count(line, name) for name in ("prompt_eval_count", "eval_count"))
    return Counts(request.prompt_tokens if prompt is None else prompt, said if answer is None else answer)


def _call(told: Json) -> ToolCall:
    wanted = told.get("function") or {}
    arguments = _arguments(wanted.get("arguments"))
    # Not every version of Ollama gives one; whoever answers a call needs it.
    made = storable(str(told.get("id") or f"call_{uuid4().hex[:24]}"))
    return ToolCall(made, storable(str(wanted.get("name") or "")), arguments)


def _arguments(told: object) -> Json:
    """An object; an empty one where it is none, or nests so deeply that nobody can write it again."""
    try:
        # As the text of JSON, which has the names of members too.
        found = json.loads(storable(json.dumps(told, ensure_ascii=False)))
    except RecursionError:
        return {}
    return found if isinstance(found, dict) else {}


def _timings(line: Json) -> Timings:
    names = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
    return Timings(*(ollama.milliseconds(line, name) for name in names))
