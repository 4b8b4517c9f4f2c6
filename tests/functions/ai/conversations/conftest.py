import os
from collections.abc import Iterator

import httpx
import pytest

from functions.ai.streaming import times
from tests.functions.ai.conversations.talking import Talk, begin
from tests.support.ollama import FakeOllama
from tests.support.transports import uvicorn_server
from tests.support.world import World

# They take their time: `make test-streams` runs them.
collect_ignore = [] if os.environ.get("LAMBKIN_STREAMS") else ["test_many.py", "test_processes.py"]


@pytest.fixture(scope="session")
def elsewhere(world: World) -> Iterator[httpx.Client]:
    """Another server: it shares the database with the first, and no generation."""
    with uvicorn_server() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def talk(over_http: httpx.Client, world: World, ollama: FakeOllama) -> Talk:
    """A conversation over HTTP."""
    return begin(over_http, world.person())


@pytest.fixture
def endless(over_http: httpx.Client, world: World, ollama: FakeOllama) -> Talk:
    """One whose model does not stop by itself."""
    return begin(over_http, world.person(), model="endless")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute takes a moment."""
    monkeypatch.setattr(times, "TICK", 0.05)
    monkeypatch.setattr(times, "WATCH", 0.1)
    monkeypatch.setattr(times, "RESUME", 0.5)
