"""The start script of `ai`, from its built artifact, as Lambda's Web Adapter starts and asks it.

What stands in for the adapter here is httpx, with the header that the adapter adds; it was never run on AWS.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx
import pytest

from infra.local.ports import free_port
from tests.functions.ai.limits.rules import reserved, used
from tests.functions.ai.sse import PATH, asking, events, words
from tests.structure.test_template import LAMBDAS, OF_THE_ADAPTER, where
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.waiting import eventually
from tests.support.world import World

CLIENT = "203.0.113.9"
# Lambda allows an instance ten seconds to be there; the adapter asks all along.
INIT_SECONDS = 10
WORDS = 400


def seen_from(address: str) -> dict[str, str]:
    """What the adapter adds to a request from there."""
    http = {"method": "POST", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": "x"}
    return {"x-amzn-request-context": json.dumps({"stage": "$default", "http": http})}


@contextmanager
def started(environment: Mapping[str, str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """As the adapter's wrapper does it: the handler is a program below the task's root."""
    program = f"{environment['LAMBDA_TASK_ROOT']}/{environment['_HANDLER']}"
    process = subprocess.Popen([program], env=environment, cwd="/", stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def instance(
    artifacts: dict[str, Path],
    layer: Path,
    runtime: Path,
    database_url: str,
    ollama_server: FakeOllama,
    log: Path,
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running one, and where it answers."""
    function = where("StreamsAi", LAMBDAS["AiFunction"], on=True)
    given = {name: function["Environment"]["Variables"][name] for name in OF_THE_ADAPTER}
    port = free_port()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "AWS_LAMBDA_FUNCTION_NAME": "lambkin-ai",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(artifacts["ai"]),
        "_HANDLER": function["Handler"],
        # Where on AWS /opt/python, which the script adds, and /var/runtime are.
        "PYTHONPATH": os.pathsep.join([str(layer), str(runtime)]),
        "STAGE": "test",
        "DATABASE_URL": database_url,
        "OLLAMA_URL": ollama_server.url,
        "OLLAMA_IDLE_SECONDS": "1",
        **given,
        "AWS_LWA_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    ready = f"{url}{given['AWS_LWA_READINESS_CHECK_PATH']}"
    with log.open("wb") as written, started(environment, written) as process:
        eventually(lambda: _answers(ready) or _ended(process, log), INIT_SECONDS)
        yield process, url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _ended(process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return False


@pytest.fixture
def client(instance: tuple[Any, str], world: World) -> Iterator[httpx.Client]:
    """Somebody with a key, whom the function URL saw at CLIENT."""
    key = mint(world, world.account().id, "ai:use")
    with httpx.Client(base_url=instance[1], headers=key.headers | seen_from(CLIENT), timeout=30) as made:
        yield made


def test_a_stream_comes_event_by_event(client: httpx.Client, ollama_server: FakeOllama) -> None:
    mark = uuid4().hex
    body = asking(f"{mark} say {WORDS}", stream=True)
    with client.stream("POST", PATH, json=body) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        chunks = events(answer.iter_lines())
        first = next(chunks)
        assert ollama_server.asked(mark).said < WORDS, "the first was here before the last was said"
        *rest, end = chunks
    assert end is None
    assert len(words([first, *rest]).split()) == WORDS
    assert "x-lambkin-stream" not in answer.headers
    assert answer.headers["x-request-id"]


def test_who_leaves_ends_the_generation(client: httpx.Client, ollama_server: FakeOllama) -> None:
    mark = uuid4().hex
    with client.stream("POST", PATH, json=asking(mark, "endless", stream=True)) as answer:
        next(answer.iter_lines())
    assert ollama_server.asked(mark).gone.wait(5)


def test_a_fault_in_mid_stream_is_its_last_event(client: httpx.Client) -> None:
    answer = client.post(PATH, json=asking("say 9", "dying", stream=True))
    *_, last = events(answer.text.splitlines())
    assert last
    assert last["error"]["code"] == "model_failed"


def test_the_client_is_whom_the_function_url_saw(client: httpx.Client, world: World) -> None:
    key = mint(world, world.account().id, "ai:use", networks=[f"{CLIENT}/32"])
    assert client.get("/v1/ai/models", headers=key.headers).status_code == 200
    other = client.get("/v1/ai/models", headers=key.headers | seen_from("198.51.100.7"))
    assert (other.status_code, other.json()["error"]["code"]) == (403, "network_not_allowed")
    forwarded = client.get(
        "/v1/ai/models", headers=key.headers | seen_from("198.51.100.7") | {"X-Forwarded-For": CLIENT}
    )
    assert forwarded.status_code == 403


def test_it_is_a_lambda_in_all_else(client: httpx.Client, log: Path) -> None:
    assert client.get("/v1/ai/readyz").json()["state"] == "ok"
    assert client.get("/v1/ai/metrics").status_code == 404
    assert client.get("/v1/ai/openapi.json").status_code == 200
    said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert any("_aws" in line for line in said), "metrics are lines of the log"
    assert [line for line in said if line.get("level") == "error"] == []


def test_it_settles_what_is_under_way_and_ends_when_lambda_says_so(
    instance: tuple[subprocess.Popen[bytes], str], world: World
) -> None:
    process, url = instance
    user = world.account()
    headers = mint(world, user.id, "ai:use").headers | seen_from(CLIENT)
    body = asking(uuid4().hex, "endless", stream=True)
    with httpx.stream("POST", f"{url}{PATH}", json=body, headers=headers, timeout=30) as answer:
        chunks = events(answer.iter_lines())
        first = next(chunks)
        process.send_signal(signal.SIGTERM)
        *rest, last = chunks
    assert last
    assert last["error"]["code"] == "unavailable"
    assert process.wait(10) == -signal.SIGTERM
    counted = len(words([first, *rest]).split())
    assert [row[::3] for row in used(world, user.id)] == [("endless:latest", counted)]
    assert reserved(world, user.id) == 0
