"""Who calls. Each is freshly made, or shared where its calls are refused and so change nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID
from zlib import crc32

from sqlalchemy import insert

from common.api_keys import forget_api_keys, key_digest, new_key
from common.ids import new_id
from common.models import ApiKey
from common.permissions import ADMINISTRATOR, MEMBER, PERMISSIONS
from tests.contract.access.demands import Demand
from tests.support.world import World

# What the rules answer; all else is the code of a refusal.
SERVED: Final = ""


@dataclass(frozen=True)
class Caller:
    """An account, and what makes a request its own."""

    account: UUID
    headers: dict[str, str]


class Callers:
    """Makes them, and shares those that were made for calls that change nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person = cache(self.new_person)
        self.key = cache(self.new_key)

    def role(self, permissions: Iterable[str]) -> str:
        """A role of an administrator's making with just these permissions."""
        wanted = sorted(permissions)
        if wanted == sorted(PERMISSIONS):
            return ADMINISTRATOR
        name = f"matrix-{crc32(' '.join(wanted).encode()):x}"
        self.world.run(
            "insert into roles (name, permissions) values (:name, :wanted) on conflict do nothing",
            name=name,
            wanted=wanted,
        )
        return name

    def new_person(self, permissions: frozenset[str], then: str = "") -> Caller:
        """Somebody who is signed in with these permissions; `then` is what happens afterwards."""
        person = self.world.person(roles=[self.role(permissions)])
        if then:
            self.world.run(then, id=person.id)
        return Caller(person.id, person.headers)

    def new_key(self, permissions: frozenset[str], scopes: frozenset[str], then: str = "") -> Caller:
        """A program that acts for somebody with these permissions."""
        owner = self.world.account(roles=[self.role(permissions)])
        key_id = new_id()
        key = new_key(key_id)
        values = {"user_id": owner.id, "name": "matrix", "digest": key_digest(key), "scopes": sorted(scopes)}
        with self.world.engine.begin() as connection:
            connection.execute(insert(ApiKey).values(id=key_id, **values))
        if then:
            self.world.run(then, id=owner.id)
        return Caller(owner.id, {"Authorization": f"Bearer {key}"})


@dataclass(frozen=True)
class Column:
    """A kind of caller: how one is made for what is demanded, and what the rule answers it."""

    make: Callable[[Callers, Demand, bool], Caller | None]
    rule: Callable[[Demand], str]


def _person(permissions: Callable[[Demand], frozenset[str]], then: str = "") -> Callable[..., Caller]:
    def make(callers: Callers, demand: Demand, shared: bool) -> Caller:  # noqa: FBT001 - one of two, by the rule
        return (callers.person if shared else callers.new_person)(permissions(demand), then)

    return make


def _key(
    permissions: Callable[[Demand], frozenset[str]],
    scopes: Callable[[Demand], frozenset[str]],
    then: str = "",
) -> Callable[..., Caller]:
    def make(callers: Callers, demand: Demand, shared: bool) -> Caller:  # noqa: FBT001 - one of two, by the rule
        # What a process remembers of a key is another test's.
        forget_api_keys()
        make_key = callers.key if shared else callers.new_key
        return make_key(permissions(demand), scopes(demand), then)

    return make


def _all(_: Demand) -> frozenset[str]:
    return PERMISSIONS


def _just_enough(demand: Demand) -> frozenset[str]:
    # With a member's, as nobody may give or touch what they do not have themselves.
    return MEMBER | demand.scopes


def _all_but(demand: Demand) -> frozenset[str]:
    return PERMISSIONS - demand.scopes


def _member(_: Demand) -> frozenset[str]:
    return MEMBER


def _lacking(demand: Demand, code: str) -> str:
    return code if demand.scopes else SERVED


def _at_once(demand: Demand, code: str) -> str:
    return code if demand.sign_in in ("live", "recent") else SERVED


def _keys_may(demand: Demand, code: str) -> str:
    return code if demand.keys else "session_required"


_DISABLED: Final = "update users set state = 'disabled' where id = :id"
_NO_ROLE: Final = "update users set roles = '{}' where id = :id"
_SIGNED_OUT: Final = "update sessions set revoked_at = now() where user_id = :id"
_LONG_AGO: Final = "update sessions set authenticated_at = now() - interval '1 day' where user_id = :id"

COLUMNS: Final[dict[str, Column]] = {
    "nobody": Column(lambda *_: None, lambda _: "unauthenticated"),
    "a stranger": Column(_person(_member), lambda d: "insufficient_scope" if d.scopes - MEMBER else SERVED),
    "a member without the permission": Column(_person(_all_but), lambda d: _lacking(d, "insufficient_scope")),
    "a member with it": Column(_person(_just_enough), lambda _: SERVED),
    "an administrator": Column(_person(_all), lambda _: SERVED),
    "a disabled account": Column(_person(_all, _DISABLED), lambda d: _at_once(d, "invalid_token")),
    "a member who lost the permission": Column(
        _person(_all, _NO_ROLE), lambda d: _at_once(d, _lacking(d, "insufficient_scope"))
    ),
    "a session that was signed out": Column(
        _person(_all, _SIGNED_OUT), lambda d: _at_once(d, "invalid_token")
    ),
    "a session whose sign-in is long ago": Column(
        _person(_all, _LONG_AGO), lambda d: "recent_sign_in_required" if d.sign_in == "recent" else SERVED
    ),
    "an API key with too narrow a scope": Column(
        _key(_all, _all_but), lambda d: _keys_may(d, "insufficient_scope")
    ),
    "an API key with the scope": Column(_key(_all, _just_enough), lambda d: _keys_may(d, SERVED)),
    "an API key of a disabled account": Column(_key(_all, _all, _DISABLED), lambda _: "invalid_token"),
    "an API key of a member who lost the permission": Column(
        _key(_all, _all, _NO_ROLE), lambda d: _keys_may(d, "insufficient_scope")
    ),
}
