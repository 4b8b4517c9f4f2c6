"""A generation, part by part, and what it has cost at any time."""

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from common.ollama import ModelFailed
from functions.ai.generation import Counts, OllamaChat, Part, Tally, generate
from tests.support.ollama import FakeOllama


def asking(prompt: str, model: str = "tiny", **more: object) -> OllamaChat:
    return OllamaChat(model, [{"role": "user", "content": prompt}], **more)  # type: ignore[arg-type]  # as the test gives them


def heard(chat: OllamaChat, tally: Tally, most: int = 1000) -> list[Part]:
    """Its parts, of which no more than `most` are waited for."""

    async def run() -> list[Part]:
        found = []
        async with aclosing(generate(chat)) as parts:
            async for part in parts:
                tally.add(part)
                found.append(part)
                if len(found) == most:
                    break
        return found

    return asyncio.run(run())


def test_the_last_part_has_what_is_known_in_the_end(ollama: FakeOllama) -> None:
    chat = asking("say 3", think="low")
    tally = Tally(chat)
    *parts, last = heard(chat, tally)
    assert "".join(part.content for part in parts) == "w0 w1 w2 "
    assert "".join(part.reasoning for part in parts) == "Hm."
    assert not any(part.done for part in parts)
    assert (last.done, last.reason, last.counts, last.truncated) == (True, "stop", Counts(7, 3), False)
    assert last.timings
    assert (last.timings.total_ms, last.timings.load_ms) == (0.012, 0.001)
    assert (tally.prompt_tokens, tally.completion_tokens) == (7, 3)


def test_calls_have_names_arguments_and_ids(ollama: FakeOllama) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    chat = asking('call weather {"city": "Oslo"}', tools=(tool,))
    *parts, last = heard(chat, Tally(chat))
    [call] = [call for part in parts for call in part.tool_calls]
    assert (call.name, call.arguments, last.reason) == ("weather", {"city": "Oslo"}, "tool_calls")
    assert call.id.startswith("call_")


def test_what_breaks_off_is_estimated(ollama: FakeOllama) -> None:
    mark = uuid4().hex
    chat = asking(mark, "endless")
    tally = Tally(chat)
    assert (tally.prompt_tokens, tally.completion_tokens) == (0, 0)
    heard(chat, tally, most=5)
    assert (tally.prompt_tokens, tally.completion_tokens) == (chat.prompt_tokens, 5)
    assert ollama.asked(mark).gone.wait(5), "leaving ends the generation"
    failing = asking("say 9", "error-line")
    tally = Tally(failing)
    with pytest.raises(ModelFailed):
        heard(failing, tally)
    assert (tally.prompt_tokens, tally.completion_tokens) == (failing.prompt_tokens, 2)


def test_what_is_asked_again_adds_up(ollama: FakeOllama) -> None:
    chat = asking("say 3")
    tally = Tally(chat)
    heard(chat, tally)
    heard(chat, tally, most=2)
    assert (tally.prompt_tokens, tally.completion_tokens) == (7 + chat.prompt_tokens, 5)
