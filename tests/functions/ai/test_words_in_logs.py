"""What people and models say is in no line of the log, whatever goes wrong."""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import copy_context
from itertools import product
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from common import error_reports
from common.context import RequestContext, enter_context
from common.jobs.outcomes import describe_error
from common.ollama import asking as asking_ollama
from functions.ai.endpoints.streams import EventStream
from tests.functions.ai.conversations.talking import begin
from tests.functions.ai.sse import PATH, Client, asking
from tests.support.ollama import FAULTS, FakeOllama
from tests.support.world import World

QUICK: Final = sorted(set(FAULTS) - {"silent", "loading", "mute", "stuck", "endless"})


def test_no_fault_of_the_model_server_quotes_anybody(
    asgi: httpx.Client,
    world: World,
    ollama: FakeOllama,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking_ollama, "_PAUSES", (0.01, 0.01))
    headers, mark = world.person().headers, uuid4().hex
    for model, stream in product(QUICK, (False, True)):
        asgi.post(PATH, json=asking(f"{mark} say 3", model, stream=stream), headers=headers)
    logged = capsys.readouterr().out
    assert "ollama_failed" in logged
    assert mark not in logged
    assert "llama runner" not in logged


def test_nor_does_one_of_a_conversation(
    asgi: httpx.Client, world: World, ollama: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = uuid4().hex
    for model in ("error-line", "half-line", "shapeless"):
        begin(asgi, world.person(), title="Words").say(f"{mark} say 3", model=model)
    logged = capsys.readouterr().out
    assert "generation_failed" in logged
    assert mark not in logged


def test_a_fault_of_ours_is_told_by_its_class_and_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    async def chunks() -> AsyncGenerator[dict[str, Any]]:
        yield {"n": 1}
        int("what the model said")

    async def read() -> list[bytes]:
        events = EventStream(chunks(), Client().request)
        await events.first()
        return [bytes(part) async for part in events.body_iterator]  # type: ignore[arg-type]  # it yields bytes

    assert b'"internal"' in asyncio.run(read())[-1]
    logged = capsys.readouterr().out
    assert "stream_failed" in logged
    assert "ValueError" in logged
    assert "what the model said" not in logged


@pytest.mark.parametrize(("function", "quoted"), [("ai", False), ("users", True)])
def test_in_ai_no_message_of_what_nobody_foresaw_is_kept(function: str, quoted: bool) -> None:  # noqa: FBT001 - by pytest
    def told() -> tuple[str, str]:
        enter_context(RequestContext(function=function))
        error = ValueError("what the model said")
        return describe_error(error, {}), error_reports._message("builtins", str(error), {})

    message = "what the model said" if quoted else ""
    assert copy_context().run(told) == (f"ValueError: {message}" if message else "ValueError", message)
