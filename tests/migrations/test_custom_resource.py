"""What CloudFormation asks of the migrate function, and always hears an answer to."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from common.models.revision import HEAD
from common.settings import get_settings
from migrations import handler, runner
from tests.support.fixtures import SettingsChange
from tests.support.world import World


class Answers(BaseHTTPRequestHandler):
    """The presigned address that an answer is put to."""

    def do_PUT(self) -> None:
        server: Any = self.server
        content = self.rfile.read(int(self.headers["Content-Length"]))
        server.told.append((self.headers.get("Content-Type"), json.loads(content)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def cloudformation() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.told = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(cloudformation: Any, kind: str, known: str = "schema of zero") -> dict[str, Any]:
    event = {
        "RequestType": kind,
        **({} if kind == "Create" else {"PhysicalResourceId": known}),
        "ResponseURL": f"http://127.0.0.1:{cloudformation.server_port}/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Migration",
        "ResourceProperties": {"Release": "one"},
    }
    handler.handler(event, None)
    [(kind_of_content, answer)] = cloudformation.told
    # The address is signed for a request without a type.
    assert kind_of_content == ""
    assert {answer[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        "stack",
        "request",
        "Migration",
    }
    return dict(answer)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_hears_the_revision(
    cloudformation: Any, settings: SettingsChange, fresh_database_url: Callable[..., str], kind: str
) -> None:
    settings(DATABASE_URL=fresh_database_url())
    answer = ask(cloudformation, kind)
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Revision": HEAD})
    assert answer["PhysicalResourceId"] == "schema of one"


def test_what_is_taken_back_to_the_release_that_was_migrated_for_asks_no_database(
    cloudformation: Any, settings: SettingsChange
) -> None:
    settings(DATABASE_URL="postgresql+pg8000://lambkin:x@127.0.0.1:1/lambkin")
    answer = ask(cloudformation, "Update", known="schema of one")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "schema of one")
    assert "Revision" in answer["Data"], "an output of the stack reads it"


def test_a_deployment_that_is_taken_back_leaves_a_schema_that_is_ahead(
    cloudformation: Any, settings: SettingsChange, fresh_database_url: Callable[..., str]
) -> None:
    url = fresh_database_url(migrated=True)
    settings(DATABASE_URL=url)
    ahead = World(url)
    ahead.run("update alembic_version set version_num = '9999'")
    answer = ask(cloudformation, "Update")
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Revision": "ahead"})
    assert ahead.scalar("select version_num from alembic_version") == "9999"
    ahead.engine.dispose()


def test_a_stack_that_is_deleted_leaves_the_database_as_it_is(
    cloudformation: Any, settings: SettingsChange, fresh_database_url: Callable[..., str]
) -> None:
    url = fresh_database_url(migrated=True)
    settings(DATABASE_URL=url)
    assert ask(cloudformation, "Delete")["Status"] == "SUCCESS"
    assert runner.status(url).current == HEAD


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql+pg8000://lambkin:secret-word@127.0.0.1:1/lambkin", "Cannot connect"),
        ("secret:lambkin/test/migrate", "must look like secret:NAME#KEY"),
    ],
)
def test_what_fails_is_told_at_once_and_shows_no_password(
    cloudformation: Any, settings: SettingsChange, address: str, said: str
) -> None:
    settings(DATABASE_URL=address)
    assert get_settings().database_url == address
    answer = ask(cloudformation, "Update")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "schema of zero")
    assert said in answer["Reason"]
    assert "secret-word" not in answer["Reason"]
