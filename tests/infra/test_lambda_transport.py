import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import lambda_context
from infra.local.lambda_transport import MAX_INSTANCES, LambdaFunction

FUNCTION = """
import base64, json, os, time

def handler(event, context):
    path = event["rawPath"].rsplit("/", 1)[-1]
    if path == "crash":
        os._exit(3)
    if path == "raise":
        raise ValueError("secret detail")
    if path == "large":
        return {"statusCode": 200, "body": "x" * 6_300_000}
    if path == "size":
        return {"statusCode": 200, "body": str(len(event["body"]))}
    if path == "hang":
        time.sleep(600)
    if path == "wait":
        time.sleep(0.2)
    print("a line that must not be taken for an answer")
    answer = {"event": event, "pid": os.getpid(), "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
              "left": context.get_remaining_time_in_millis()}
    return {"statusCode": 200, "cookies": ["a=1", "b=2"], "headers": {"content-type": "application/json"},
            "body": base64.b64encode(json.dumps(answer).encode()).decode(), "isBase64Encoded": True}
"""

type Talk = Callable[[httpx.AsyncClient], Awaitable[Any]]


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a conversation with a function whose instances are real processes."""
    (tmp_path / "stand_in.py").write_text(FUNCTION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(conversation: Talk, module: str = "stand_in") -> Any:
        async def main() -> Any:
            function = LambdaFunction("standin", module)
            transport = httpx.ASGITransport(function, raise_app_exceptions=True)
            try:
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://localhost", timeout=60
                ) as client:
                    return await conversation(client)
            finally:
                await function.close()

        return asyncio.run(main())

    return run


def test_a_request_crosses_as_an_event_and_comes_back(talk: Any) -> None:
    response: httpx.Response = talk(
        lambda client: client.post("/v1/standin/a%2Fb?x=1&x=2", content=b"\x00", headers={"Cookie": "s=1"})
    )

    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    answer = response.json()
    event = answer["event"]
    assert (event["rawPath"], event["rawQueryString"]) == ("/v1/standin/a%2Fb", "x=1&x=2")
    assert (event["cookies"], event["body"], event["isBase64Encoded"]) == (["s=1"], "AA==", True)
    assert answer["name"] == "lambkin-standin"
    assert 0 < answer["left"] <= lambda_context.TIMEOUT * 1000


def test_one_instance_takes_one_request_at_a_time_and_is_used_again(talk: Any) -> None:
    async def conversation(client: httpx.AsyncClient) -> tuple[set[int], set[int]]:
        first = [(await client.get("/v1/standin/x")).json()["pid"] for _ in range(3)]
        together = await asyncio.gather(*(client.get("/v1/standin/wait") for _ in range(MAX_INSTANCES * 2)))
        return set(first), {answer.json()["pid"] for answer in together}

    alone, together = talk(conversation)
    assert len(alone) == 1
    assert 1 < len(together) <= MAX_INSTANCES


@pytest.mark.parametrize(
    ("path", "code"),
    [("crash", "function_failed"), ("raise", "function_failed"), ("large", "response_too_large")],
)
def test_what_lambda_could_not_answer_is_a_problem_and_the_next_request_works(
    talk: Any, path: str, code: str
) -> None:
    async def conversation(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        return await client.get(f"/v1/standin/{path}"), await client.get("/v1/standin/x")

    failed, next_one = talk(conversation)
    assert failed.status_code == 502
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.json()["code"] == code
    assert "secret detail" not in failed.text
    assert next_one.status_code == 200


def test_a_function_that_takes_too_long_is_ended(talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_context, "TIMEOUT", 1.0)

    response = talk(lambda client: client.get("/v1/standin/hang"))

    assert response.status_code == 502
    assert "longer than 1 s" in response.json()["detail"]


@pytest.mark.parametrize("size", [6 * 1024 * 1024 + 1, 5 * 1024 * 1024])
def test_a_request_over_6_mb_as_an_event_is_413(talk: Any, size: int) -> None:
    """5 MB of binary are over the limit as well, once they are base64."""
    response = talk(lambda client: client.post("/v1/standin/x", content=b"\xff" * size))

    assert response.status_code == 413
    assert response.json()["code"] == "content_too_large"


def test_4_mb_of_binary_fit(talk: Any) -> None:
    response = talk(lambda client: client.post("/v1/standin/size", content=b"\xff" * 4_200_000))

    assert (response.status_code, response.json()) == (200, 5_600_000)


def test_a_function_that_cannot_be_imported_says_so(talk: Any) -> None:
    response = talk(lambda client: client.get("/v1/standin/x"), module="there_is_no_such_module")

    assert response.status_code == 502
    assert "ModuleNotFoundError" in response.json()["detail"]
