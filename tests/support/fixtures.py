"""The fixtures of all tests that speak to functions."""

import os
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from common import rate_limits
from common.aws import aws_client
from common.database import dispose_engines
from common.ollama import breaker
from common.settings import Settings, get_settings
from tests.support.ollama import FakeOllama, fake_ollama
from tests.support.ollama_administration import Administered
from tests.support.transports import AsgiTransport, FunctionUrlTransport, uvicorn_server
from tests.support.world import World

BASE = "http://backend:8000"

# Cheap hashes and no queue by default; the tests of either say what they need. Rate limits count by client,
# and all tests are one client: they are on only where a test asks.
ENVIRONMENT = {
    "PASSWORD_HASH_KIB": "8",
    "PASSWORD_HASH_PASSES": "1",
    "QUEUES": "false",
    "RATE_LIMITS": "false",
    "LOG_FORMAT": "json",
    # Nothing is there unless a test starts it, and nothing beyond loopback is asked.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "OLLAMA_URL": "http://127.0.0.1:1",
    "INTERNAL_URL": "http://127.0.0.1:1",
}


def pytest_configure() -> None:
    """Set it before anything reads it."""
    os.environ |= ENVIRONMENT


@pytest.fixture(scope="session")
def world(database_url: str) -> Iterator[World]:
    """The database, seen by its owner."""
    world = World(database_url)
    yield world
    world.engine.dispose()
    dispose_engines()


@pytest.fixture(scope="session")
def asgi(world: World) -> Iterator[httpx.Client]:
    """A client of all functions in this process."""
    with httpx.Client(transport=AsgiTransport(), base_url=BASE) as client:
        yield client


@pytest.fixture(scope="session")
def over_http(world: World) -> Iterator[httpx.Client]:
    """A client of all functions behind uvicorn."""
    with uvicorn_server() as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def function_urls(world: World) -> Iterator[httpx.Client]:
    """A client of all functions as Lambda would call them."""
    with httpx.Client(transport=FunctionUrlTransport(), base_url=BASE) as client:
        yield client


@pytest.fixture(params=["asgi", "over_http", "function_urls"])
def everywhere(request: pytest.FixtureRequest) -> httpx.Client:
    """The same client over each transport: what passes on one and fails on another is a bug."""
    client: httpx.Client = request.getfixturevalue(request.param)
    return client


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """S3, SQS and SES on loopback; one state a process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator["SettingsChange"]:
    """`settings(RATE_LIMITS="true")` for one test."""
    yield SettingsChange(monkeypatch)
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def ollama_server() -> Iterator[FakeOllama]:
    """What speaks Ollama's protocol, once a process."""
    with fake_ollama() as server:
        yield server


@pytest.fixture
def ollama(ollama_server: FakeOllama, world: World, settings: "SettingsChange") -> FakeOllama:
    """The same, where functions look for it; nothing that it should wait for is there yet.

    Titles that others left to be given are of models that may never answer.
    """
    world.run("delete from jobs where function = 'ai'")
    ollama_server.loaded.clear()
    ollama_server.administered = Administered()
    settings(OLLAMA_URL=ollama_server.url)
    breaker().reset()
    return ollama_server


class SettingsChange:
    """Changes the environment and has it read anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **values: str) -> Settings:
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        return get_settings()


@pytest.fixture
def limits_on(settings: SettingsChange, world: World) -> Iterator[None]:
    """Rate limits count, beginning at nothing."""
    world.run("delete from rate_limits")
    rate_limits._refused_until.clear()
    settings(RATE_LIMITS="true")
    yield
    world.run("delete from rate_limits")
    rate_limits._refused_until.clear()


@pytest.fixture
def plain_bucket(moto_url: str, settings: SettingsChange) -> None:
    """A bucket that is there, and no more: it checks no signature."""
    name = f"plain-{uuid4().hex[:12]}"
    settings(AWS_ENDPOINT_URL=moto_url, BUCKET=name)
    aws_client("s3", timeout_seconds=10).create_bucket(Bucket=name)
