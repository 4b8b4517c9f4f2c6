import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import leftovers
from infra.local.home import Home, HomeDamaged, load_secrets
from infra.local.state import (
    AlreadyRunning,
    HomeLock,
    Process,
    Stack,
    read_stack,
    running_stack,
    write_stack,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "lambkin")
    made.create()
    return made


def stack(supervisor: Process, **children: Process) -> Stack:
    return Stack(supervisor, "http://localhost:1", "http", None, "", "2026-01-01T00:00:00+00:00", children)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def test_a_running_stack_is_read_back(home: Home) -> None:
    written = stack(Process.of(os.getpid()), server=Process.of(os.getppid()))
    write_stack(home, written)

    assert running_stack(home) == written


def test_a_record_of_a_process_that_has_ended_is_stale(home: Home) -> None:
    child = sleeper()
    write_stack(home, stack(Process.of(child.pid)))
    child.kill()
    child.wait()

    assert read_stack(home) is not None
    assert running_stack(home) is None


def test_a_record_whose_process_number_is_in_use_again_is_stale(home: Home) -> None:
    reused = dataclasses.replace(Process.of(os.getpid()), started=1.0)
    write_stack(home, stack(reused))

    assert running_stack(home) is None


def test_a_signal_never_reaches_a_process_that_only_has_the_number(home: Home) -> None:
    child = sleeper()
    try:
        dataclasses.replace(Process.of(child.pid), started=1.0).signal(signal.SIGKILL)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"supervisor": 3}'])
def test_a_broken_record_counts_as_none(home: Home, content: str) -> None:
    home.stack_file.write_text(content)

    assert read_stack(home) is None


def test_only_one_supervisor_holds_a_home(home: Home) -> None:
    with HomeLock(home), pytest.raises(AlreadyRunning), HomeLock(home):
        pass
    with HomeLock(home):
        pass


def test_what_a_killed_supervisor_left_is_ended(home: Home) -> None:
    supervisor, child = sleeper(), sleeper()
    write_stack(home, stack(Process.of(supervisor.pid), jobs=Process.of(child.pid)))
    left = Process.of(child.pid)
    supervisor.kill()
    supervisor.wait()

    assert leftovers.clear(home) == ["jobs"]
    assert not left.alive()
    child.wait()
    assert not home.stack_file.exists()


def test_the_children_of_a_living_supervisor_are_left_alone(home: Home) -> None:
    child = sleeper()
    try:
        write_stack(home, stack(Process.of(os.getpid()), jobs=Process.of(child.pid)))
        assert leftovers.clear(home) == []
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_secrets_are_made_once_and_are_readable_by_their_owner_alone(home: Home) -> None:
    made = load_secrets(home)

    assert load_secrets(home) == made
    assert home.secrets_file.stat().st_mode & 0o777 == 0o600


def test_damaged_secrets_are_one_sentence(home: Home) -> None:
    home.secrets_file.write_text("{")

    with pytest.raises(HomeDamaged, match=r"secrets\.json cannot be read"):
        load_secrets(home)
