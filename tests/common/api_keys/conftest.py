"""Clients of those operations, and what they cost."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from common import api_keys
from common.api_keys import new_key
from common.ids import new_id
from tests.common.api_keys.app import Statements, client_of
from tests.support.api_keys import Key, OtherProcess, other_process
from tests.support.world import World


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[httpx.Client]:
    with client_of() as client:
        # A first connection takes statements of its own.
        client.get("/files", headers={"Authorization": f"Bearer {new_key(new_id())}"})
        yield client


@pytest.fixture(scope="module")
def other(world: World) -> Iterator[OtherProcess]:
    with other_process() as process:
        yield process


@pytest.fixture
def statements(capsys: pytest.CaptureFixture[str]) -> Statements:
    """How many statements the last request took."""

    def count() -> int:
        return int(json.loads(capsys.readouterr().out.splitlines()[-1])["statements"])

    return count


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of the memory, and nothing else."""

    def move(seconds: float) -> None:
        monkeypatch.setattr(api_keys, "_clock", lambda: time.monotonic() + seconds)

    return move


@pytest.fixture
def writes(world: World) -> Iterator[Callable[[Key], int]]:
    """How often the row of a key was updated, whoever did it."""
    world.run("create table written (key_id uuid)")
    world.run("""
        create function note_write() returns trigger language plpgsql security definer as
        'begin insert into written values (new.id); return null; end'
    """)
    world.run("create trigger note_write after update on api_keys for each row execute function note_write()")
    yield lambda key: int(world.scalar("select count(*) from written where key_id = :id", id=key.id))
    world.run("drop trigger note_write on api_keys")
    world.run("drop function note_write")
    world.run("drop table written")
