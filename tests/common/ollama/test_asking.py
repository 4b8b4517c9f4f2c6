"""Asked again is only where nothing was produced; traces go along; how much a model sees is known."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common import ollama as client
from common import tracing
from common.ollama import ModelFailed, ModelServerBusy, ModelServerDown, asking
from tests.functions.ai.sse import PATH
from tests.functions.ai.sse import asking as body_of
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama
from tests.support.receiving import OTLP_ANSWER, Traces, receiver
from tests.support.world import World

type Json = dict[str, Any]


@pytest.fixture
def quick(ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSES", (0.01, 0.01))


def chat(model: str, prompt: str, **more: Any) -> list[Json]:
    async def run() -> list[Json]:
        request = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
        async with aclosing(client.chat(request)) as lines:
            return [line async for line in lines]

    return asyncio.run(run())


def tries(ollama: FakeOllama, mark: str) -> int:
    return sum(mark in call.prompt for call in ollama.calls)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("model", ["flaky", "crowded"])
def test_who_produced_nothing_is_asked_again(ollama: FakeOllama, model: str) -> None:
    mark = uuid4().hex
    assert chat(model, mark)[-1]["done"]
    assert tries(ollama, mark) == 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("model", "error", "times"),
    [
        ("busy", ModelServerBusy, 3),
        ("dying", ModelFailed, 1),
        ("undone", ModelFailed, 1),
        ("crashed", ModelFailed, 1),
        ("gone", ModelServerDown, 1),
    ],
)
def test_who_may_have_is_not(ollama: FakeOllama, model: str, error: type[Exception], times: int) -> None:
    mark = uuid4().hex
    with pytest.raises(error):
        chat(model, f"{mark} say 9")
    assert tries(ollama, mark) == times


@pytest.mark.usefixtures("quick")
def test_nothing_is_asked_again_that_would_come_too_late(
    ollama: FakeOllama, settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PAUSES", (5.0, 5.0))
    settings(OLLAMA_FIRST_TOKEN_SECONDS="1")
    mark = uuid4().hex
    with pytest.raises(ModelServerBusy):
        chat("busy", mark)
    assert tries(ollama, mark) == 1


def test_how_much_a_model_sees_is_always_told(ollama: FakeOllama, settings: SettingsChange) -> None:
    settings(OLLAMA_NUM_CTX="1000")
    mark = uuid4().hex
    chat("tiny", mark, options={"seed": 1})
    assert ollama.asked(mark).body["options"] == {"num_ctx": 1000, "seed": 1}
    chat("tiny", f"own {mark}", options={"num_ctx": 500})
    assert ollama.asked(f"own {mark}").body["options"] == {"num_ctx": 500}


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 150, 280),
        ("敏捷的棕色狐狸跳过了那只懒狗。" * 20, 150, 400),
        ("Съешь ещё этих мягких французских булок, да выпей же чаю. " * 20, 250, 600),
        ("", 0, 10),
    ],
)
def test_tokens_are_estimated_within_reason(text: str, least: int, most: int) -> None:
    assert least <= client.estimate_tokens([{"role": "user", "content": text}]) <= most


def test_tools_calls_and_pictures_count() -> None:
    plain: Json = {"role": "user", "content": "hello"}
    counted = client.estimate_tokens([plain])
    assert client.estimate_tokens([plain | {"images": ["abc"]}]) > counted + 200
    assert (
        client.estimate_tokens([plain | {"tool_calls": [{"function": {"name": "a" * 400}}]}]) > counted + 90
    )
    assert client.estimate_tokens([plain], [{"function": {"name": "a" * 400}}]) > counted + 90


@pytest.mark.parametrize(
    ("sent", "seen", "truncated"),
    [
        (100, 90, False),
        (4000, 3900, False),
        # The estimate is too high by a quarter, and all was seen.
        (5000, 4000, False),
        # As full as it can be.
        (5000, 4096, True),
        # The oldest messages were left out.
        (9000, 2000, True),
        # Nobody counted: a prompt that was all in the cache.
        (9000, 0, False),
        (9000, None, False),
    ],
)
def test_what_a_model_did_not_see_shows_in_its_count(sent: int, seen: int | None, truncated: bool) -> None:  # noqa: FBT001 - a column of the table
    request = {"messages": [{"role": "user", "content": "abcd" * sent}]}
    assert client.was_truncated(request, {"prompt_eval_count": seen}, 4096) is truncated


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    with receiver(OTLP_ANSWER, "application/x-protobuf") as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        tracing.start()
        yield Traces(received)
        tracing.stop()


def test_a_name_and_a_password_in_its_address_are_told_by_all_that_ask(
    ollama: FakeOllama, settings: SettingsChange
) -> None:
    settings(OLLAMA_URL=ollama.url.replace("//", "//ada:p%40ss@"))
    ollama.calls.clear()
    asyncio.run(client.list_models())
    client.ollama_probe().check()
    wanted = f"Basic {b64encode(b'ada:p@ss').decode()}"
    assert [(call.path, call.headers.get("authorization")) for call in ollama.calls] == [
        ("/api/tags", wanted),
        ("/api/version", wanted),
    ]


def test_a_trace_goes_along_to_ollama_and_only_where_traces_are_on(
    traces: Traces, asgi: httpx.Client, world: World, ollama: FakeOllama
) -> None:
    mark, headers = uuid4().hex, world.person().headers
    assert asgi.post(PATH, json=body_of(mark), headers=headers).status_code == 200
    [call] = traces.wait_for("ollama /api/chat")
    carried = ollama.asked(mark).headers["traceparent"].split("-")
    assert carried[:3] == ["00", call.trace_id, call.span_id]
    [request] = traces.wait_for("POST /v1/ai/chat/completions")
    assert (call.kind, call.parent_id) == ("CLIENT", request.span_id)
    tracing.stop()
    chat("tiny", f"untraced {mark}")
    assert "traceparent" not in ollama.asked(f"untraced {mark}").headers
