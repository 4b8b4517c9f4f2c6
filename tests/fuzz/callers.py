"""Who calls while Schemathesis makes up what is said: add a line to WHO for another kind of caller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from common.permissions import BUILT_IN, MEMBER, permissions_of
from tests.support.api_keys import mint
from tests.support.world import Person, World


class Caller(Protocol):
    """Someone who is signed in."""

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request theirs."""

    def is_still_there(self, api: httpx.Client) -> bool:
        """Whether they may do all that they could do in the beginning; asked after each change they made."""


class SignedIn:
    """A person with a session. It is asked for by its next refresh, which tells of the account as well."""

    def __init__(self, person: Person) -> None:
        self.headers = person.headers
        self._refresh_token = person.refresh_token
        self._scope = ""

    def is_still_there(self, api: httpx.Client) -> bool:
        answer = api.post("/v1/auth/refresh", json={"refresh_token": self._refresh_token})
        if answer.status_code != 200:
            return False
        tokens = answer.json()
        self._refresh_token = tokens["refresh_token"]
        before, self._scope = self._scope or tokens["scope"], tokens["scope"]
        return bool(before == self._scope)


class Program:
    """An API key with all that its owner may do."""

    def __init__(self, world: World) -> None:
        self.key = mint(world, world.account().id, *sorted(MEMBER))
        self.headers = self.key.headers

    def is_still_there(self, api: httpx.Client) -> bool:
        return api.get("/v1/users/me", headers=self.headers).status_code == 200


@dataclass(frozen=True)
class Kind:
    """How to become a caller with an account of its own, and what it may do; None: it is not signed in."""

    mint: Callable[[World], Caller | None]
    permissions: frozenset[str] | None


def _in_role(role: str) -> Kind:
    return Kind(lambda world: SignedIn(world.person(roles=[role])), permissions_of([role]))


WHO: Final[dict[str, Kind]] = {
    "nobody": Kind(lambda _: None, None),
    **{role: _in_role(role) for role in BUILT_IN},
    "program": Kind(Program, MEMBER),
}
# Tells the process of Schemathesis which of them it is.
WHO_VARIABLE: Final = "LAMBKIN_FUZZ_WHO"
