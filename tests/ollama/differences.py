"""In what a server differs from Ollama's published description, and from the stand-in of the tests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.support.ollama_schemas import misfit, properties

type Json = dict[str, Any]

_SAID: Final = [{"role": "user", "content": "say 2"}]
_TOOL: Final = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
_CALL: Final = [{"role": "user", "content": 'call weather {"city": "Oslo"}'}]


@dataclass(frozen=True)
class Question:
    """What is asked, and the schemas of what is answered: of each line, and of the last."""

    path: str
    schema: str
    body: Json | None = None
    last: str = ""
    needs: str = ""

    @property
    def title(self) -> str:
        """As it is named in what is printed."""
        more = [name for name in ("tools", "think") if self.body and name in self.body]
        return " with ".join([self.path, *more])


@dataclass(frozen=True)
class Answer:
    """What came: its status, its type, its lines or its one document."""

    status: int
    media: str
    values: list[Json]


def questions(model: str, embedding_model: str) -> list[Question]:
    """All that Lambkin asks of it, pulls and deletions aside."""
    chat = {"model": model, "messages": _SAID, "options": {"num_predict": 40, "num_ctx": 2048}}
    thinking = Question("/api/chat", "ChatStreamEvent", chat | {"think": True}, "ChatResponse", "thinking")
    calling = chat | {"messages": _CALL, "tools": [_TOOL]}
    return [
        Question("/api/version", "VersionResponse"),
        Question("/api/tags", "ListResponse"),
        Question("/api/show", "ShowResponse", {"model": model}),
        Question("/api/chat", "ChatStreamEvent", chat, "ChatResponse"),
        thinking,
        Question("/api/chat", "ChatStreamEvent", calling, "ChatResponse", "tools"),
        Question("/api/chat", "ErrorResponse", chat | {"model": "nobody-has-this"}),
        Question(
            "/api/embed", "EmbedResponse", {"model": embedding_model, "input": ["a", "b"], "truncate": False}
        ),
    ]


def ask(url: str, question: Question) -> Answer:
    """Ask it there."""
    method = "GET" if question.body is None else "POST"
    told = httpx.request(method, f"{url}{question.path}", json=question.body, timeout=300)
    media = told.headers.get("content-type", "").partition(";")[0]
    try:
        values = [json.loads(line) for line in told.text.splitlines()]
    except ValueError:
        values = []
    return Answer(told.status_code, media, [each for each in values if isinstance(each, dict)])


def of_protocol(question: Question, answer: Answer) -> Iterator[str]:
    """How an answer differs from what is published."""
    if not answer.values:
        yield f"says no JSON ({answer.status}, {answer.media or 'no type'})"
    schemas = [question.schema] * len(answer.values)
    if question.last and schemas:
        schemas[-1] = question.last
    found = dict.fromkeys(
        difference
        for schema, value in zip(schemas, answer.values, strict=True)
        for difference in _of_one(schema, value)
    )
    yield from found


def _of_one(schema: str, value: Json) -> Iterator[str]:
    if wrong := misfit(schema, value):
        yield f"is no {schema}: {wrong}"
    if unknown := set(value) - properties(schema):
        yield f"{schema} has members that are not published: {', '.join(sorted(unknown))}"


def of_stand_in(answer: Answer, its: Answer) -> Iterator[str]:
    """How an answer differs from the stand-in's: by status, type, or members."""
    if answer.status != its.status:
        yield f"has status {answer.status}, the stand-in's {its.status}"
    if answer.media != its.media:
        yield f"is {answer.media}, the stand-in's {its.media}"
    ours, theirs = _members(answer.values), _members(its.values)
    if more := ours - theirs:
        yield f"has what the stand-in's has not: {', '.join(sorted(more))}"
    if missing := theirs - ours:
        yield f"has not what the stand-in's has: {', '.join(sorted(missing))}"


def _members(value: object, before: str = "") -> set[str]:
    if isinstance(value, list):
        return {name for each in value for name in _members(each, before)}
    if not isinstance(value, dict):
        return set()
    # What a model is made of, and what it was asked to call, are its own.
    if before in ("model_info", "projector_info", "tensors", "message.tool_calls.function.arguments"):
        return set()
    named = {f"{before}.{name}" if before else name: each for name, each in value.items()}
    return set(named) | {name for key, each in named.items() for name in _members(each, key)}
