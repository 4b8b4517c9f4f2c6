"""`lambkin keys`, as an operator runs it."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import pytest

from common.settings import get_settings
from common.tokens import seconds_after_retirement
from functions.auth.rotation import PUBLISHED_AHEAD
from functions.auth.signing import forget_signing_key
from tests.support.world import World

type Lambkin = Callable[..., subprocess.CompletedProcess[str]]

OLD, NEW, LOST = (
    f"{name}:{base64.urlsafe_b64encode(name[:1].encode() * 32).decode()}" for name in ("old", "new", "lost")
)
KID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def own(fresh_database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A database of the test's own, whose secrets are under `old`."""
    monkeypatch.setenv("DATABASE_URL", fresh_database_url(migrated=True))
    monkeypatch.setenv("ENCRYPTION_KEYS", OLD)
    get_settings.cache_clear()
    forget_signing_key()
    world = World(os.environ["DATABASE_URL"])
    yield world
    world.engine.dispose()
    monkeypatch.undo()
    get_settings.cache_clear()
    forget_signing_key()


def lambkin(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "keys", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | changes,
    )


def succeeded(*arguments: str, **changes: str) -> str:
    done = lambkin(*arguments, **changes)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(*arguments: str, **changes: str) -> str:
    done = lambkin(*arguments, **changes)
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1, "one sentence"
    return done.stderr.strip()


def states(world: World) -> list[str]:
    return [line.split()[1] for line in succeeded("list").splitlines()[1:]]


def test_list_of_nothing_says_when_there_will_be_a_key(own: World) -> None:
    assert succeeded("list") == "There is no signing key yet: the first sign-in makes it.\n"


def test_a_rotation_publishes_now_and_signs_once_the_key_set_is_renewed_everywhere(own: World) -> None:
    own.person()
    told = succeeded("rotate")
    [successor] = set(KID.findall(told))
    [row] = own.rows(
        "select *, active_at - created_at as ahead from signing_keys where id = :id", id=successor
    )
    assert abs(row.ahead - PUBLISHED_AHEAD) < timedelta(seconds=5)
    [before] = own.rows("select * from signing_keys where id <> :id", id=successor)
    assert before.retired_at == row.active_at
    assert states(own) == ["signs", "next"]
    own.run("update signing_keys set active_at = now() where id = :id", id=successor)
    own.run("update signing_keys set retired_at = now() where id <> :id", id=successor)
    assert states(own) == ["verifies", "signs"]
    own.run(
        "update signing_keys set retired_at = now() - make_interval(secs => :seconds) where id <> :id",
        id=successor,
        seconds=seconds_after_retirement() + 1,
    )
    assert states(own) == ["gone", "signs"]
    assert own.scalar("select count(*) from audit_log where action = 'signing_key.rotated'") == 1
