"""curl and the AWS CLI upload by exactly what the API tells them, through the gateway, and nothing else."""

import hashlib
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest

from tests.infra.docker.network.clients.conftest import Someone
from tests.support.crc64nvme import crc64nvme

type Send = Callable[[dict[str, Any], Path], subprocess.CompletedProcess[str]]

PLUGIN: Final = Path(__file__).with_name("plugin")
OPTIONS: Final = {
    "Content-Length": "--content-length",
    "x-amz-checksum-sha256": "--checksum-sha256",
    "x-amz-checksum-crc64nvme": "--checksum-crc64-nvme",
}
PART: Final = 8 * 1024**2


def curl(request: dict[str, Any], path: Path) -> subprocess.CompletedProcess[str]:
    headers = [
        word for name, value in request["headers"].items() for word in ("--header", f"{name}: {value}")
    ]
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--request", request["method"]]
    return _run([*command, *headers, "--upload-file", str(path), request["url"]], {})


def aws(request: dict[str, Any], path: Path) -> subprocess.CompletedProcess[str]:
    url = urlsplit(request["url"])
    query = parse_qs(url.query)
    bucket, _, key = unquote(url.path).removeprefix("/").partition("/")
    command = ["put-object"]
    if "uploadId" in query:
        command = [
            "upload-part",
            "--upload-id",
            query["uploadId"][0],
            "--part-number",
            query["partNumber"][0],
        ]
    told = [word for name, value in request["headers"].items() for word in (OPTIONS[name], value)]
    config = path.with_name("config")
    config.write_text("[plugins]\npresigned = presigned\n")
    environment = {
        "PRESIGNED_URL": request["url"],
        "PYTHONPATH": str(PLUGIN),
        "AWS_CONFIG_FILE": str(config),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    program = [*shlex.split(os.environ["LAMBKIN_AWS"]), "--no-sign-request", "--endpoint-url"]
    place = [f"{url.scheme}://{url.netloc}", "s3api", *command, "--bucket", bucket, "--key", key]
    return _run([*program, *place, *told, "--body", str(path)], environment)


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(params=[curl, aws])
def send(request: pytest.FixtureRequest) -> Send:
    program: Send = request.param
    return program


def _call(someone: Someone, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = someone.client.post(f"/v1/files/uploads{path}", json=body)
    assert answer.is_success, answer.text
    said: dict[str, Any] = answer.json()
    return said


def _refuses(ended: subprocess.CompletedProcess[str]) -> None:
    """The bucket has taken other bytes for what they are."""
    assert ended.returncode != 0
    assert "BadDigest" in ended.stdout + ended.stderr


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "content"
    path.write_bytes(content)
    return path


def _comes_back(someone: Someone, upload: dict[str, Any], content: bytes) -> None:
    file = _call(someone, f"/{upload['id']}/complete", {})
    got = someone.client.get(f"/v1/files/{file['id']}/content", follow_redirects=True)
    assert (got.status_code, got.content) == (200, content)


def test_a_file_at_once_and_no_other(someone: Someone, send: Send, tmp_path: Path) -> None:
    content = uuid4().bytes * 100_000
    wanted = {"name": "large.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    upload = _call(someone, "", wanted)
    _refuses(send(upload["request"], _written(tmp_path, bytes(len(content)))))
    sent = send(upload["request"], _written(tmp_path, content))
    assert sent.returncode == 0, sent.stdout + sent.stderr
    _comes_back(someone, upload, content)


def test_a_file_in_parts_the_last_one_first(someone: Someone, send: Send, tmp_path: Path) -> None:
    content = uuid4().bytes * ((PART + 1_000_000) // 16)
    upload = _call(someone, "", {"name": "large.bin", "size": len(content), "in_parts": True})
    pieces = {2: content[PART:], 1: content[:PART]}
    told = [{"number": number, "crc64nvme": crc64nvme(piece)} for number, piece in pieces.items()]
    parts = _call(someone, f"/{upload['id']}/parts", {"parts": told})["parts"]
    assert [part["number"] for part in parts] == [2, 1]
    _refuses(send(parts[0]["request"], _written(tmp_path, bytes(len(pieces[2])))))
    for part in parts:
        sent = send(part["request"], _written(tmp_path, pieces[part["number"]]))
        assert sent.returncode == 0, sent.stdout + sent.stderr
    _comes_back(someone, upload, content)
