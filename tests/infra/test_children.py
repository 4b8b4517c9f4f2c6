import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import children
from infra.local.children import Child, Report
from infra.local.processes import LAUNCHER, ChildFailed, Spec, run_to_end
from infra.local.state import Process

PATIENCE = 15.0


class Watched:
    """What a child told, and where it runs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.crashes: list[tuple[str, list[str]]] = []
        self.recoveries = 0
        self.processes: list[Process] = []
        self.report = Report(
            line=lambda _name, line: self.lines.append(line),
            crashed=lambda _name, what, tail: self.crashes.append((what, list(tail))),
            recovered=self._recover,
            started=lambda _name, process: self.processes.append(process),
        )

    def _recover(self, _name: str) -> None:
        self.recoveries += 1


def spec(tmp_path: Path, program: str, **options: Any) -> Spec:
    command = [sys.executable, "-c", program]
    return Spec("child", command, dict(os.environ), tmp_path / "child.log", **options)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.01)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(bounded())


FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def test_a_killed_child_is_started_again_with_the_end_of_its_log_shown(tmp_path: Path) -> None:
    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, FOREVER), watched.report)
        await child.start()
        await until(lambda: watched.lines == ["up"])
        os.kill(watched.processes[0].pid, signal.SIGKILL)
        await until(lambda: watched.lines == ["up", "up"])
        await until(lambda: watched.recoveries == 1)
        assert watched.crashes == [("was ended by SIGKILL; starting it again", ["up"])]
        assert watched.processes[0] != watched.processes[1]
        await child.stop()
        assert not watched.processes[1].alive()

    run(main)


def test_a_child_that_crashes_again_and_again_stays_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "BACKOFF", (0.0, 0.0))

    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, "raise SystemExit('no good')"), watched.report)
        await child.start()
        await until(lambda: len(watched.crashes) == 3)
        what, tail = watched.crashes[-1]
        assert what == "ended with exit code 1; it has crashed too often and stays down"
        assert tail == ["no good"]
        await child.stop()

    run(main)


def test_a_child_that_ends_before_it_is_ready_fails_the_start(tmp_path: Path) -> None:
    async def never(_pid: int) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        child = Child(spec(tmp_path, "print('why'); raise SystemExit(3)", ready=never), Watched().report)
        with pytest.raises(ChildFailed, match="child ended with exit code 3") as caught:
            await child.start()
        assert caught.value.tail == ["why"]

    run(main)


def test_a_child_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    async def too_late(_pid: int) -> None:
        raise TimeoutError

    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, FOREVER, ready=too_late), watched.report)
        with pytest.raises(ChildFailed, match="did not get ready in time"):
            await child.start()
        assert not watched.processes[0].alive()

    run(main)


def test_a_child_that_ignores_its_stop_signal_is_killed_in_bounded_time(tmp_path: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"

    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, deaf, stop=((signal.SIGTERM, 0.2),)), watched.report)
        await child.start()
        await until(lambda: watched.lines == ["up"])
        started = time.monotonic()
        await child.stop()
        assert time.monotonic() - started < 3
        assert not watched.processes[0].alive()
        assert watched.crashes == []

    run(main)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    )
    program = f"{parent}; print(p.pid, flush=True); p.wait()"

    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, program), watched.report)
        await child.start()
        await until(lambda: len(watched.lines) == 1)
        grandchild = Process.of(int(watched.lines[0]))
        await child.stop()
        await until(lambda: not grandchild.alive())

    run(main)


def test_a_restart_replaces_the_process(tmp_path: Path) -> None:
    async def main() -> None:
        watched = Watched()
        child = Child(spec(tmp_path, FOREVER), watched.report)
        await child.start()
        await child.restart()
        await until(lambda: watched.lines.count("up") >= 1)
        first, second = watched.processes
        assert not first.alive()
        assert second.alive()
        assert watched.crashes == []
        await child.stop()

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    child = f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        "import os, subprocess, sys\n"
        f"orders = [{str(LAUNCHER)!r}, str(os.getpid()), '9', '0', '0', sys.executable, '-c', {child!r}]\n"
        "subprocess.Popen([sys.executable, '-I', '-S', *orders]).wait()\n"
    )

    async def main() -> None:
        parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        await until(lambda: marker.exists() and marker.read_text() != "")
        process = Process.of(int(marker.read_text()))
        assert psutil.Process(process.pid).ppid() == parent.pid
        parent.kill()
        await parent.wait()
        await until(lambda: not process.alive())

    run(main)


def test_a_program_that_fails_shows_what_it_said(tmp_path: Path) -> None:
    said: list[str] = []

    async def main() -> None:
        await run_to_end(spec(tmp_path, "print('fine')"), said.append)
        with pytest.raises(ChildFailed, match="ended with exit code 1") as caught:
            await run_to_end(spec(tmp_path, "raise SystemExit('why')"))
        assert caught.value.tail == ["why"]

    run(main)
    assert said == ["fine"]
    assert (tmp_path / "child.log").read_text() == "fine\nwhy\n"


def test_the_log_keeps_no_colours(tmp_path: Path) -> None:
    said: list[str] = []

    async def main() -> None:
        await run_to_end(spec(tmp_path, r"print('\x1b[31mred\x1b[0m')"), said.append)

    run(main)
    assert said == ["\x1b[31mred\x1b[0m"]
    assert (tmp_path / "child.log").read_text() == "red\n"
