"""`lambkin invoke` without a stage: the sources here, called as Lambda would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.home import PROJECT


def invoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "invoke", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"LAMBKIN_HOME": "/nowhere"},
        timeout=60,
        check=False,
    )


def test_a_method_and_a_path_are_an_event(database_url: str) -> None:
    ended = invoke("users", "GET", "/v1/users/me")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "401"), ended.stderr
    assert '"code":"unauthenticated"' in ended.stdout


def test_so_is_json_and_a_file_of_it(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"Records": []}')
    for event in (file.read_text(), str(file)):
        ended = invoke("worker", event, "--jobs")
        assert (ended.returncode, "batchItemFailures" in ended.stdout) == (0, True), ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "There is no function nothing."),
        (("health", "{}", "--jobs"), "There is no function health with jobs."),
        (("worker", "{half", "--jobs"), "is no file of JSON, no JSON, and no METHOD PATH"),
        (("worker", '{"what": 1}', "--jobs"), "neither a batch of SQS messages nor a tick"),
    ],
)
def test_what_cannot_be_invoked_is_said(arguments: tuple[str, ...], said: str) -> None:
    ended = invoke(*arguments)
    assert ended.returncode == 1
    assert said in ended.stdout + ended.stderr
