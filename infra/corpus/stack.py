"""The stack that the files go through: `lambkin up` in a home of its own, on free ports, gone in the end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.settings import Settings
from infra.local.demo import Account, read_demo
from infra.local.erase import erase
from infra.local.home import PROJECT, Home, load_secrets
from infra.local.postgres import Cluster
from infra.local.resources import client
from infra.local.state import Process, Stack, running_stack

HANDLERS: Final = ("server", "jobs")
"""The processes that take requests and jobs, which no file may harm."""

BUCKET: Final = "lambkin"
_PORTS: Final = ("--port", "0", "--postgres-port", "0", "--emulator-port", "0")
_SETTINGS: Final = {
    "LOG_FORMAT": "json",
    # More uploads than anybody makes in an hour are what this is about.
    "RATE_LIMITS": "false",
    # As where photographs and documents are collected; everything else is refused when it is uploaded.
    "FILE_TYPES": "image/*, application/pdf",
}
# The first start on a machine downloads the emulator.
_START_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 60.0
_COMMAND_SECONDS: Final = 120.0


class StackFailed(Exception):
    """It does not start, or a command in it fails; the message holds what it said."""


@dataclass(frozen=True)
class Running:
    """A stack that answers, and its processes as they were when it had started."""

    home: Home
    environment: dict[str, str]
    url: str
    account: Account
    handlers: dict[str, Process]

    def harmed(self) -> list[str]:
        """Which handlers are not the processes any more that they were."""
        return [name for name, process in self.handlers.items() if not process.alive()]

    def command(self, *arguments: str) -> tuple[int, str]:
        """The exit code of a command of `lambkin` in this stack, and what it said.

        Raises StackFailed where it does not end.
        """
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "infra.cli", *arguments],
                env=self.environment,
                cwd=PROJECT,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StackFailed(f"`lambkin {' '.join(arguments)}` did not end.") from None
        return ended.returncode, (ended.stdout + ended.stderr).strip()

    def logged(self, name: str) -> Iterator[dict[str, Any]]:
        """The structured lines that a process has logged."""
        for line in (self.home.logs / f"{name}.log").read_text(errors="replace").splitlines():
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found

    def in_bucket(self) -> list[str]:
        """The keys of everything that is in the bucket, unfinished uploads included."""
        s3 = client("s3", self.environment)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        unfinished = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        listed = [each for page in pages for each in page.get("Contents", ())]
        return [str(each["Key"]) for each in (*listed, *unfinished)]

    def database_url(self) -> str:
        """The database as its owner reaches it. Raises StackFailed where the stack has ended."""
        stack = running_stack(self.home)
        if stack is None or stack.postgres_port is None:
            raise StackFailed("The stack has ended.")
        cluster = Cluster(self.home.postgres, self.home.postgres, None, stack.postgres_port)
        return cluster.url(load_secrets(self.home))


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A new stack that keeps its data in `folder`, and leaves its logs there. Raises StackFailed."""
    home, environment = _home(folder)
    with suppress(FileNotFoundError):
        erase(home)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "up", *_PORTS, "--no-reload"],
            env=environment,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and we end it
        )
    try:
        stack = _wait(home, process, log)
        yield _described(home, environment, stack)
    finally:
        _end(process)
        _erase_all_but_logs(home)


def _home(folder: Path) -> tuple[Home, dict[str, str]]:
    own = {name.upper() for name in Settings.model_fields} | set(_SETTINGS)
    # What is set for another stack here is not for this one.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in own and not name.startswith(("AWS_", "PG"))
    }
    tools = os.environ.get("LAMBKIN_TOOLS") or str(PROJECT / ".lambkin" / "tools")
    home = Home(folder)
    home.tools = Path(tools)
    return home, kept | _SETTINGS | {"LAMBKIN_HOME": str(folder), "LAMBKIN_TOOLS": tools}


def _wait(home: Home, process: subprocess.Popen[bytes], log: Path) -> Stack:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        stack = running_stack(home)
        if stack is not None and "Ctrl-C stops everything" in log.read_text(errors="replace"):
            return stack
        time.sleep(0.1)
    said = log.read_text(errors="replace").splitlines()[-20:]
    raise StackFailed("\n".join(["The stack does not start.", *said]))


def _described(home: Home, environment: dict[str, str], stack: Stack) -> Running:
    demo = read_demo(home)
    if demo is None:
        raise StackFailed("The stack has no demo accounts.")
    member = next(account for account in demo.accounts if account.role == "member")
    handlers = {name: stack.children[name] for name in HANDLERS}
    # What a client of the bucket needs.
    reached = {
        "AWS_ENDPOINT_URL": stack.emulator_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    return Running(home, environment | reached, stack.url, member, handlers)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _erase_all_but_logs(home: Home) -> None:
    logs, kept = home.logs, home.root / "kept-logs"
    with suppress(FileNotFoundError):
        logs.rename(kept)
    try:
        with suppress(FileNotFoundError):
            erase(home)
    finally:
        with suppress(FileNotFoundError):
            kept.rename(logs)
