"""Who calls. Each is freshly made, or shared where its calls are refused and so change nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID
from zlib import crc32

from common.api_keys import forget_api_keys
from common.permissions import ADMINISTRATOR, MEMBER, PERMISSIONS
from tests.contract.access.demands import Demand
from tests.support.api_keys import mint
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
        self.somebody = world.account(roles=[]).id
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
        key = mint(self.world, owner.id, scopes=sorted(scopes))
        if then:
            self.world.run(then, id=owner.id)
        return Caller(owner.id, key.headers)


@dataclass(frozen=True)
class Column:
    """A kind of caller: how one is made for what is demanded, and what the rule answers it."""

    make: Callable[[Callers, Demand, bool], Caller | None]
    rule: Callable[[Demand], str]


type _Permissions = Callable[[Demand], frozenset[str]]
type _Then = Callable[[Callers, Demand], str]


def _nothing(*_: object) -> str:
    return ""


def _becomes(statement: str) -> _Then:
    return lambda *_: statement


def _loses_it(callers: Callers, demand: Demand) -> str:
    return f"update users set roles = '{{{callers.role(_all_but(demand))}}}' where id = :id"


def _person(permissions: _Permissions, then: _Then = _nothing) -> Callable[..., Caller]:
    def make(callers: Callers, demand: Demand, shared: bool) -> Caller:  # noqa: FBT001 - one of two, by the rule
        return (callers.person if shared else callers.new_person)(permissions(demand), then(callers, demand))

    return make


def _key(permissions: _Permissions, scopes: _Permissions, then: _Then = _nothing) -> Callable[..., Caller]:
    def make(callers: Callers, demand: Demand, shared: bool) -> Caller:  # noqa: FBT001 - one of two, by the rule
        # What a process remembers of a key is another test's.
        forget_api_keys()
        make_key = callers.key if shared else callers.new_key
        return make_key(permissions(demand), scopes(demand), then(callers, demand))

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


_DISABLED: Final = _becomes("update users set state = 'disabled' where id = :id")
_SIGNED_OUT: Final = _becomes("update sessions set revoked_at = now() where user_id = :id")
_LONG_AGO: Final = _becomes(
    "update sessions set authenticated_at = now() - interval '1 day' where user_id = :id"
)

COLUMNS: Final[dict[str, Column]] = {
    "nobody": Column(lambda *_: None, lambda _: "unauthenticated"),
    "a stranger": Column(_person(_member), lambda d: "insufficient_scope" if d.scopes - MEMBER else SERVED),
    "a member without the permission": Column(_person(_all_but), lambda d: _lacking(d, "insufficient_scope")),
    "a member with it": Column(_person(_just_enough), lambda _: SERVED),
    "an administrator": Column(_person(_all), lambda _: SERVED),
    "a disabled account": Column(_person(_all, _DISABLED), lambda d: _at_once(d, "invalid_token")),
    "a member who lost the permission": Column(
        _person(_all, _loses_it), lambda d: _at_once(d, _lacking(d, "insufficient_scope"))
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
    "an API key of a disabled account": Column(
        _key(_all, _all, _DISABLED), lambda d: _keys_may(d, "invalid_token")
    ),
    "an API key of a member who lost the permission": Column(
        _key(_all, _all, _loses_it), lambda d: _keys_may(d, "insufficient_scope")
    ),
}
