"""MiniStack: a server that speaks S3, and checks signatures, lengths and digests as S3 does."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local import emulator
from infra.local.home import PROJECT, Home
from infra.local.ports import free_port


@contextmanager
def running_ministack(folder: Path, **options: str) -> Iterator[int]:
    """A server that keeps its state in `folder`, told `options` by its environment; its port."""
    home = Home(folder)
    home.tools = Path(os.environ.get("LAMBKIN_TOOLS", PROJECT / ".lambkin" / "tools"))
    found = emulator.locate(home, free_port(), free_port())
    if not emulator.installed(found):
        asyncio.run(emulator.install(found, folder / "log", print))
    environment = found.environment(os.environ) | options
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(found.command(), env=environment, stdout=log, stderr=log)
    try:
        asyncio.run(emulator.ready(found))
        yield found.port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that speaks S3 and checks signatures, on a port of its own."""
    with running_ministack(tmp_path_factory.mktemp("ministack")) as port:
        yield port
