"""The real template on a real emulator of AWS: MiniStack, on a port of its own, functions as processes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import httpx

from infra.local.emulator import Emulator, install, installed, locate
from infra.local.home import PROJECT, Home
from infra.local.ports import free_port
from tests.support.fixtures import ENVIRONMENT
from tests.support.waiting import eventually

CHECKOUT: Final = (
    *("functions", "infra", "layers", "migrations", "template.yaml", "samconfig.toml", "pyproject.toml"),
    *("uv.lock", "README.md"),
)
_COMMAND_SECONDS: Final = 240


class Deployed:
    """A copy of the sources, and the emulator that it is deployed to."""

    def __init__(self, folder: Path, emulator_url: str, owner_url: str) -> None:
        self.folder = folder
        self.url = emulator_url
        self._owner_url = owner_url
        for name in CHECKOUT:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / ".tools").symlink_to(PROJECT / ".tools")

    def lambkin(self, *arguments: str) -> tuple[int, str]:
        """Run a command of the copy to its end: its exit code, and what it said."""
        left_out = {*ENVIRONMENT, "STAGE", "DATABASE_URL", "AWS_PROFILE"}
        environment = {name: value for name, value in os.environ.items() if name not in left_out} | {
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(self.folder / "layers")]),
            "AWS_ENDPOINT_URL": self.url,
            "DATABASE_URL": self._owner_url,
        }
        ended = subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return ended.returncode, f"{ended.stdout}{ended.stderr}".strip()

    def aws(self, service: str) -> Any:
        """A client of the emulator."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def urls(self) -> dict[str, str]:
        """What `lambkin urls` says, by function."""
        code, said = self.lambkin("urls", "--stage", "local")
        assert code == 0, said
        pairs = [line.split() for line in said.splitlines()]
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[1].startswith("http")}


class FunctionUrlsTransport(httpx.HTTPTransport):
    """Sends a request to the function URL of its path, over the wire; what `*.localhost` is, it knows."""

    def __init__(self, urls: dict[str, str]) -> None:
        super().__init__()
        self._urls = urls

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        base = urlsplit(self._urls[request.url.path.split("/")[2]])
        request.headers["Host"] = base.netloc
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=base.port)
        return super().handle_request(request)


@contextmanager
def emulator(folder: Path, mail_port: int) -> Iterator[str]:
    """A running MiniStack, which hands mail on to this port; its address."""
    home = Home(folder / "home")
    home.tools = Path(os.environ.get("LAMBKIN_TOOLS") or PROJECT / ".lambkin" / "tools")
    home.create()
    found: Emulator = locate(home, free_port(), mail_port)
    if not installed(found):
        asyncio.run(install(found, folder / "install.log", lambda _: None))
    inherited = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            found.command(),
            env=found.environment(inherited),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            eventually(lambda: _answers(found.url), 30)
            yield found.url
        finally:
            # With the functions that it runs as processes: they hold connections to the database.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_ministack/ready").status_code == 200
    except httpx.HTTPError:
        return False
