"""A rotation while people sign in and use their tokens: in several processes, each with a memory of its own.

The rotation's times are a hundredth of what they are, by writing them; so are the memories of the processes.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Final

import httpx
import jwt
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.settings import get_settings
from common.tokens import seconds_after_retirement
from functions.auth import rotation
from functions.auth.key_set import MAX_AGE_SECONDS
from infra.local.home import PROJECT
from tests.support.fixtures import SettingsChange
from tests.support.hurried_instance import HURRY
from tests.support.waiting import eventually
from tests.support.world import PASSWORD, World

INSTANCES: Final = 3
PEOPLE: Final = 3
# Of each person, and one after the other, so that each instance is asked.
ENOUGH: Final = 6
TOO_MANY: Final = 2000

# It keeps the key set for as long as that says, counted from its question (RFC 9111, section 4.2.3), and
# takes no second look for a key that is not in it.
VERIFIER: Final = """
import sys, time, jwt
client = jwt.PyJWKClient(sys.argv[1], cache_jwk_set=False)
asked, keys = 0, {}
for line in sys.stdin:
    token = line.strip()
    if time.monotonic() - asked > float(sys.argv[2]):
        asked = time.monotonic()
        keys = {key.key_id: key for key in client.get_signing_keys()}
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=["EdDSA"], audience="lambkin")
    except Exception as error:
        print(repr(error), flush=True)
    else:
        print("verified", flush=True)
"""


@pytest.fixture
def own(fresh_database_url: Callable[..., str], settings: SettingsChange) -> Iterator[World]:
    """A database whose keys are of no other test's concern."""
    settings(DATABASE_URL=fresh_database_url(migrated=True))
    world = World(get_settings().database_url)
    yield world
    world.engine.dispose()


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A child that ends when its input does."""
    child = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | {"LOG_LEVEL": "error"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.communicate(timeout=30)


def ask(child: subprocess.Popen[str], line: str = "") -> str:
    assert child.stdin is not None
    assert child.stdout is not None
    if line:
        child.stdin.write(f"{line}\n")
        child.stdin.flush()
    return child.stdout.readline().strip()


class Verifier:
    """A process that verifies tokens by the key set, asked by one thread at a time."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self._lock = threading.Lock()

    def verify(self, token: str) -> str:
        with self._lock:
            return ask(self._child, token)


class People:
    """They sign in at one instance, use their tokens at another, refresh at a third; until told to stop."""

    def __init__(self, world: World, instances: Sequence[str], verifier: Verifier) -> None:
        self._emails = [world.account().email for _ in range(PEOPLE)]
        self._instances = instances
        self._verifier = verifier
        self._turns = count()
        self.stop = threading.Event()
        self.latest: list[deque[str]] = [deque(maxlen=ENOUGH) for _ in range(PEOPLE)]
        self.refused: list[str] = []

    def come(self, number: int) -> None:
        with httpx.Client(timeout=60) as client:
            for _ in range(TOO_MANY):
                if self.stop.is_set():
                    return
                form = {"grant_type": "password", "username": self._emails[number], "password": PASSWORD}
                for _ in range(2):
                    tokens = self._get_tokens(client, form)
                    self._use(client, tokens["access_token"], number)
                    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    def _instance(self) -> str:
        return self._instances[next(self._turns) % len(self._instances)]

    def _get_tokens(self, client: httpx.Client, form: dict[str, str]) -> dict[str, str]:
        given = client.post(f"{self._instance()}/v1/auth/token", data=form)
        assert given.status_code == 200, given.text
        tokens: dict[str, str] = given.json()
        return tokens

    def _use(self, client: httpx.Client, token: str, number: int) -> None:
        read = client.get(f"{self._instance()}/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        if read.status_code != 200:
            self.refused.append(read.text)
        if (said := self._verifier.verify(token)) != "verified":
            self.refused.append(said)
        self.latest[number].append(str(jwt.get_unverified_header(token)["kid"]))

    def await_tokens_of(self, kid: str) -> None:
        """Wait until nobody has tokens of another key."""
        only = deque([kid] * ENOUGH)
        eventually(lambda: self.refused or all(latest == only for latest in self.latest), 120)


def rotate_hurriedly(world: World) -> str:
    with Session(world.engine) as session, session.begin():
        successor = rotation.rotate(session)
        moment = "created_at + :ahead"
        new = text(f"update signing_keys set active_at = {moment} where id = :id")
        old = text(
            f"update signing_keys set retired_at = (select {moment} from signing_keys where id = :id) "
            "where id <> :id and retired_at > now()"
        )
        for statement in (new, old):
            session.execute(statement, {"ahead": rotation.PUBLISHED_AHEAD / HURRY, "id": successor.id})
    return str(successor.id)


def forget_retired_keys(world: World) -> None:
    """As if the last token of the retired keys had expired."""
    world.run(
        "update signing_keys set retired_at = now() - make_interval(secs => :seconds) "
        "where retired_at < now()",
        seconds=seconds_after_retirement(),
    )


def test_no_token_is_refused_during_a_rotation(own: World) -> None:
    with ExitStack() as stack:
        children = [
            stack.enter_context(process("-m", "tests.support.hurried_instance")) for _ in range(INSTANCES)
        ]
        instances = [ask(child) for child in children]
        jwks_uri = f"{instances[0]}/v1/auth/.well-known/jwks.json"
        outsider = stack.enter_context(process("-c", VERIFIER, jwks_uri, str(MAX_AGE_SECONDS / HURRY)))
        people = People(own, instances, Verifier(outsider))
        threads = stack.enter_context(ThreadPoolExecutor(PEOPLE))
        coming = [threads.submit(people.come, number) for number in range(PEOPLE)]
        stack.callback(people.stop.set)
        eventually(lambda: all(people.latest) or any(each.done() for each in coming), 120)
        successor = rotate_hurriedly(own)
        people.await_tokens_of(successor)
        forget_retired_keys(own)
        for latest in people.latest:
            latest.clear()
        people.await_tokens_of(successor)
        people.stop.set()
        for each in coming:
            each.result(60)
    assert people.refused == []
