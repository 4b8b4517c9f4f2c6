"""The small programs of the containers, as processes of their own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.docker import bucket, forward, healthcheck
from infra.local.home import PROJECT
from infra.local.ports import LOOPBACK, free_port
from tests.support.fixtures import SettingsChange
from tests.support.transports import uvicorn_server
from tests.support.waiting import eventually


async def _ready(scope: dict[str, object], receive: object, send: object) -> None:
    status = 200 if scope["path"] == "/v1/auth/readyz" else 503
    await send({"type": "http.response.start", "status": status, "headers": []})  # type: ignore[operator]  # ASGI's
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]  # the same


def test_a_function_is_well_when_it_says_that_it_is_ready() -> None:
    with uvicorn_server(_ready) as url:  # type: ignore[arg-type]  # looser than ASGI's types
        port = int(url.rsplit(":", 1)[1])
        assert healthcheck.answers("auth", LOOPBACK, port)
        assert not healthcheck.answers("users", LOOPBACK, port)
    assert not healthcheck.answers("auth", LOOPBACK, free_port())


def test_the_health_check_imports_next_to_nothing() -> None:
    program = PROJECT / "infra" / "docker" / "healthcheck.py"
    code = f"import runpy, sys; runpy.run_path({str(program)!r}); print(len(sys.modules))"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 70


def test_jobs_without_a_sign_of_life_are_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert not healthcheck.alive()
    (tmp_path / "alive").touch()
    assert healthcheck.alive()
    os.utime(tmp_path / "alive", (0, 0))
    assert not healthcheck.alive()


def test_a_port_is_forwarded_both_ways() -> None:
    async def through(target: str) -> int:
        port = free_port()
        async with await forward.listen(target, LOOPBACK, port), httpx.AsyncClient() as client:
            return (await client.get(f"http://{LOOPBACK}:{port}/v1/auth/readyz")).status_code

    with uvicorn_server(_ready) as url:  # type: ignore[arg-type]  # looser than ASGI's types
        assert asyncio.run(through(url.removeprefix("http://"))) == 200


def test_selfhosting_does_not_start_while_files_would_go_to_the_emulator(settings: SettingsChange) -> None:
    settings(AWS_ENDPOINT_URL="http://localstack:4566")
    with pytest.raises(SystemExit, match=r"AWS_ENDPOINT_URL=http://versitygw:7070"):
        bucket.main()


def test_the_bucket_is_made_once_and_found_again(
    settings: SettingsChange, moto_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(AWS_ENDPOINT_URL=moto_url, BUCKET="made-in-docker")
    bucket.main()
    bucket.main()
    assert capsys.readouterr().out.count("The bucket made-in-docker is at") == 2


def test_development_starts_a_module_anew_when_its_file_changes(tmp_path: Path) -> None:
    for name in ("functions", "layers"):
        (tmp_path / name).mkdir()
    module = tmp_path / "functions" / "told.py"
    said = tmp_path / "said"
    text = "import pathlib, signal, sys\npathlib.Path(sys.argv[1]).write_text('{}')\nsignal.pause()\n"
    module.write_text(text.format("first"))
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.docker.reload", "told", str(said)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{tmp_path}/functions:{PROJECT}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    try:
        eventually(lambda: said.exists() and said.read_text() == "first", 20)
        module.write_text(text.format("second"))

        def told_anew() -> bool:
            # It may not have looked at the file yet when this changes it: so it changes again.
            later = module.stat().st_mtime + 1
            os.utime(module, (later, later))
            return said.read_text() == "second"

        eventually(told_anew, 20)
    finally:
        process.terminate()
        process.wait(10)
