"""API keys for tests: minted without a request, and used by another process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final
from uuid import UUID

import httpx
from sqlalchemy import insert

from common.api_keys import key_digest, new_key
from common.ids import new_id
from common.models import ApiKey
from tests.support.world import Person, World

KEYS: Final = "/v1/auth/api-keys"
ANY: Final = {"If-Match": "*"}

# Reads commands: `use KEY` answers how the verification ended, `later SECONDS` moves the clock of the memory.
PROGRAM: Final = """
import asyncio, sys

from common import api_keys
from common.context import RequestContext, enter_context
from common.database import dispose_engines, in_reading
from common.principals import InvalidToken
from sqlalchemy import text

real, moved = api_keys._clock, 0.0
api_keys._clock = lambda: real() + moved

async def main():
    global moved
    enter_context(RequestContext(function="users"))
    # A first connection takes statements of its own.
    await in_reading(lambda connection: connection.execute(text("select 1")).scalar())
    for line in sys.stdin:
        command, argument = line.split()
        context = RequestContext(function="users", client_address="203.0.113.7")
        enter_context(context)
        if command == "later":
            moved += float(argument)
            outcome = "later"
        else:
            try:
                await api_keys.verify_api_key(argument)
                outcome = "accepted"
            except InvalidToken:
                outcome = "refused"
        print(outcome, context.statements, flush=True)

asyncio.run(main())
dispose_engines()
"""


@dataclass(frozen=True)
class Key:
    """A key in the database, and the key itself."""

    id: UUID
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def mint(world: World, user_id: UUID, *scopes: str, **columns: Any) -> Key:
    """A key of this account, made behind the functions' backs."""
    key_id = new_id()
    key = new_key(key_id)
    values = {
        "name": "minted",
        "scopes": list(scopes) or ["profile:read"],
        "digest": key_digest(key),
    } | columns
    with world.engine.begin() as connection:
        connection.execute(insert(ApiKey).values(id=key_id, user_id=user_id, **values))
    return Key(key_id, key)


class OtherProcess:
    """A process of its own that verifies keys, as the function `users`."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands = commands
        self._answers = answers

    def use(self, key: str) -> tuple[str, int]:
        """`accepted` or `refused`, and how many statements that took."""
        return self._ask(f"use {key}")

    def wait(self, seconds: float) -> None:
        """Have that process believe that so much time has passed."""
        self._ask(f"later {seconds}")

    def _ask(self, command: str) -> tuple[str, int]:
        self._commands.write(f"{command}\n")
        self._commands.flush()
        outcome, _, statements = self._answers.readline().strip().partition(" ")
        return outcome, int(statements)


@contextmanager
def other_process() -> Iterator[OtherProcess]:
    """Start one, and end it."""
    arguments = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield OtherProcess(child.stdin, child.stdout)
        finally:
            child.stdin.close()
            assert child.wait(30) == 0


def use(api: httpx.Client, key: str) -> int:
    """The status of a use of the key in a function that did not make it."""
    return api.get("/v1/users/me", headers={"Authorization": f"Bearer {key}"}).status_code


def create(api: httpx.Client, person: Person, **body: Any) -> httpx.Response:
    return api.post(KEYS, json={"name": "Backup", "scopes": ["profile:read"]} | body, headers=person.headers)


def change(api: httpx.Client, person: Person, key_id: object, **body: Any) -> httpx.Response:
    return api.patch(f"{KEYS}/{key_id}", json=body, headers=person.headers | ANY)


def codes(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(each["pointer"], each["code"]) for each in answer.json()["errors"]}
