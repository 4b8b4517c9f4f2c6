"""Each way in which Ollama goes wrong has an answer of its own, in a bounded time: docs/ai.md has them."""

import re
import time
from typing import Final

import httpx
import pytest

from common.ollama import asking as asking_ollama
from common.ollama import breaker
from common.settings import Settings, get_settings
from functions.ai.endpoints import streams
from infra.local.home import PROJECT
from tests.functions.ai.sse import PATH, asking, events, words
from tests.support import ollama as fake
from tests.support.fixtures import SettingsChange
from tests.support.ollama import FakeOllama
from tests.support.world import World

PAGE: Final = (PROJECT / "docs/ai.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| `([\w-]+)`: .* \| (\d{3}) \| `(\w+)` \| (.+) \|$", re.MULTILINE)
FAULTS: Final = {name: (int(status), code, after) for name, status, code, after in ROW.findall(PAGE)}
BEGUN: Final = {"stuck", "endless", "dying", "half-line", "undone", "error-line", "garbage", "shapeless"}
"""Those that say something first."""


def _latest(after: str, settings: Settings) -> float:
    if after.endswith(" s"):
        return float(after.removesuffix(" s"))
    seconds: float = getattr(settings, after.lower())
    return seconds


@pytest.fixture
def hasty(ollama: FakeOllama, settings: SettingsChange) -> None:
    """Who is silent has half a second, who never ends has one."""
    settings(OLLAMA_FIRST_TOKEN_SECONDS="0.5", OLLAMA_IDLE_SECONDS="0.5", OLLAMA_TOTAL_SECONDS="1")


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


def test_the_page_tells_of_every_fault() -> None:
    answered_in_the_end = {"loading", "flaky", "crowded"}
    assert set(fake.FAULTS) - answered_in_the_end | {"absent", "nobody"} == set(FAULTS)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("model", FAULTS)
def test_a_fault_has_its_status_and_its_code(
    model: str, asgi: httpx.Client, headers: dict[str, str], settings: SettingsChange
) -> None:
    if model == "absent":
        settings(OLLAMA_URL="http://127.0.0.1:1")
    status, code, after = FAULTS[model]
    started = time.monotonic()
    answer = asgi.post(PATH, json=asking("say 9", model), headers=headers)
    # A little for us, and for a machine that has other things to do.
    assert time.monotonic() - started < _latest(after, get_settings()) + 1
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "runner" not in answer.text, "what broke there is for the log"


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("model", FAULTS)
def test_a_stream_keeps_what_was_said_and_ends_with_the_fault(
    model: str, asgi: httpx.Client, headers: dict[str, str], settings: SettingsChange
) -> None:
    if model == "absent":
        settings(OLLAMA_URL="http://127.0.0.1:1")
    status, code, _ = FAULTS[model]
    answer = asgi.post(PATH, json=asking("say 9", model, stream=True), headers=headers)
    if model not in BEGUN:
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        return
    assert answer.status_code == 200
    *chunks, last = events(answer.text.splitlines())
    assert last is not None
    assert last["error"].keys() == {"message", "type", "param", "code"}
    assert last["error"]["code"] == code
    assert words(chunks).startswith("w0 w1 ")


def test_where_nobody_listens_it_is_said_at_once(
    asgi: httpx.Client, headers: dict[str, str], settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_ollama, "_PAUSES", (0.01, 0.01))
    settings(OLLAMA_URL="http://127.0.0.1:1")
    breaker().reset()
    for body in (asking("hello"), asking("hello", stream=True)):
        answer = asgi.post(PATH, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_server_unavailable")
        assert answer.headers["retry-after"] == "5"
    assert asgi.get("/v1/ai/models", headers=headers).status_code == 503
    ready = asgi.get("/v1/ai/readyz")
    assert (ready.status_code, ready.json()["state"]) == (200, "degraded")


def test_who_waits_long_hears_that_the_model_is_at_work(
    over_http: httpx.Client, headers: dict[str, str], ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(streams, "QUIET_SECONDS", 0.05)
    body = asking("say 2", "loading", stream=True)
    with over_http.stream("POST", PATH, json=body, headers=headers) as answer:
        lines = answer.iter_lines()
        # One at once, as the wait for a first token is over, and more while it goes on.
        comments = [next(line for line in lines if line) for _ in range(3)]
        assert [line.startswith(": ") for line in comments] == [True] * 3
        ollama.loaded.set()
        *chunks, end = events(lines)
    assert (words(chunks), end) == ("w0 w1 ", None)


def test_what_goes_wrong_after_the_wait_is_an_event(
    asgi: httpx.Client, headers: dict[str, str], hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE_SECONDS", 0.05)
    answer = asgi.post(PATH, json=asking("say 2", "silent", stream=True), headers=headers)
    [last] = events(answer.text.splitlines())
    assert answer.status_code == 200
    assert last is not None
    assert last["error"]["code"] == "model_too_slow"
