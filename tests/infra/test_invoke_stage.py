"""`lambkin invoke --stage` on a stage behind a proxy: the origin secret goes along, and is never shown."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pytest
from fastapi import APIRouter
from typer.testing import CliRunner

from common.app import create_app, lambda_handler
from infra.cli import application
from tests.support.fixtures import SettingsChange

SECRET: Final = "between the distribution and us"
NAME: Final = "lambkin/local/origin"
ABSENT: Final = "ResourceNotFoundException"
router = APIRouter(prefix="/v1/users")


@router.get("/whence")
async def whence() -> dict[str, str]:
    return {}


class Aws:
    """Lambda and Secrets Manager on loopback, in the protocols published for them; the function is real.

    Whether it is behind a proxy it knows from its settings, when it is made.
    """

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.asked: list[str] = []
        self._handler = lambda_handler(create_app("users", summary="Tests.", router=router))
        self._instance = ThreadPoolExecutor(1)

    def answer(self, path: str, target: str, body: Any) -> tuple[int, Any]:
        if target == "secretsmanager.GetSecretValue":
            self.asked.append(body["SecretId"])
            if self.refusal:
                return 400, {"__type": self.refusal, "message": "no"}
            return 200, {"Name": NAME, "SecretString": json.dumps({"value": SECRET})}
        assert path.startswith("/2015-03-31/functions/lambkin-local-users"), path
        if path.startswith("/2015-03-31/functions/lambkin-local-users-jobs"):
            return 200, {"batchItemFailures": []}
        return 200, self._instance.submit(self._handler, body, None).result(30)


@contextmanager
def listening(aws: Aws) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = aws.answer(self.path, self.headers.get("X-Amz-Target", ""), body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def behind_a_proxy(settings: SettingsChange) -> SettingsChange:
    settings(ORIGIN_SECRET=SECRET)
    return settings


def invoke(aws: Aws, settings: SettingsChange, *arguments: str) -> tuple[int, str, str]:
    """The exit code, what was said, and what was said of errors."""
    with listening(aws) as url:
        settings(AWS_ENDPOINT_URL=url)
        result = CliRunner().invoke(application, ["invoke", "users", *arguments, "--stage", "local"])
    # The function, which runs in this process, logs to the same place.
    said = [line for line in result.stdout.splitlines() if not line.startswith('{"logger_name"')]
    return result.exit_code, "\n".join(said), result.stderr


def test_a_request_gets_past_the_proxy_with_the_secret_of_the_stage(behind_a_proxy: SettingsChange) -> None:
    aws = Aws()
    code, said, complained = invoke(aws, behind_a_proxy, "GET", "/v1/users/whence")
    assert (code, said.splitlines()[0], aws.asked) == (0, "200", [NAME]), complained
    assert SECRET not in said + complained


def test_so_does_an_event_from_a_file_unless_it_says_itself_what_to_send(
    behind_a_proxy: SettingsChange,
) -> None:
    event = {
        "version": "2.0",
        "rawPath": "/v1/users/whence",
        "rawQueryString": "",
        "headers": {"host": "x"},
        "requestContext": {"http": {"method": "GET", "path": "/v1/users/whence", "sourceIp": "127.0.0.1"}},
        "isBase64Encoded": False,
    }
    aws = Aws()
    assert invoke(aws, behind_a_proxy, json.dumps(event))[1].splitlines()[0] == "200"
    event["headers"] = {"host": "x", "X-Origin-Secret": "another"}
    assert invoke(aws, behind_a_proxy, json.dumps(event))[1].splitlines()[0] == "403"
    assert aws.asked == [NAME]


@pytest.mark.parametrize("arguments", [(), ("GET", "/v1/users/readyz"), ("{}", "--jobs")])
def test_probes_and_jobs_need_no_secret(behind_a_proxy: SettingsChange, arguments: tuple[str, ...]) -> None:
    aws = Aws()
    code, said, complained = invoke(aws, behind_a_proxy, *arguments)
    assert (code, aws.asked, complained) == (0, [], ""), said


def test_a_stage_without_a_proxy_has_no_secret(settings: SettingsChange) -> None:
    code, said, complained = invoke(Aws(ABSENT), settings, "GET", "/v1/users/whence")
    assert (code, said.splitlines()[0], complained) == (0, "200", "")


def test_who_may_not_read_the_secret_is_told_why_there_is_a_403(behind_a_proxy: SettingsChange) -> None:
    code, said, complained = invoke(Aws("AccessDeniedException"), behind_a_proxy, "GET", "/v1/users/whence")
    assert (code, said.splitlines()[0]) == (0, "403")
    assert complained == (
        f"The secret {NAME} cannot be read (AccessDeniedException): "
        "a stage behind CloudFront answers 403 without.\n"
    )
