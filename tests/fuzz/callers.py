"""Who calls while Schemathesis makes up what is said: add a line to WHO for another kind of caller."""

from collections.abc import Callable
from typing import Final, Protocol

import httpx

from common.permissions import ROLE_PERMISSIONS
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


def _nobody(_: World) -> None:
    """Nothing to sign in with."""


def _in_role(role: str) -> Callable[[World], Caller]:
    return lambda world: SignedIn(world.person(role=role))


# Each is asked for a new caller, with an account of its own, whenever the last one is gone.
WHO: Final[dict[str, Callable[[World], Caller | None]]] = {
    "nobody": _nobody,
    **{role: _in_role(role) for role in ROLE_PERMISSIONS},
}
# Tells the process of Schemathesis which of them it is.
WHO_VARIABLE: Final = "LAMBKIN_FUZZ_WHO"
