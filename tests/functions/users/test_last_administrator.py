"""Somebody can always administer."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import httpx
import pytest

from tests.functions.users.calls import disable, put_roles, roles_of, state_of
from tests.support.world import Person, World

type Act = Callable[[httpx.Client, Person, UUID], httpx.Response]


def demote(api: httpx.Client, actor: Person, user_id: UUID) -> httpx.Response:
    return put_roles(api, actor, user_id, "member")


def delete_own(api: httpx.Client, actor: Person, _: UUID) -> httpx.Response:
    return api.delete("/v1/users/me", headers=actor.headers)


@pytest.fixture
def nobody_else(world: World) -> Iterator[None]:
    """No administrators but those of the test."""
    others = "select id from users where state = 'active' and roles @> array['admin']::varchar[]"
    found = [row.id for row in world.rows(others)]
    world.run("update users set state = 'disabled' where id = any(:ids)", ids=found)
    yield
    world.run("update users set state = 'active' where id = any(:ids)", ids=found)


def administrators(world: World, *people: Person) -> int:
    return sum(
        "admin" in roles_of(world, person.id) and state_of(world, person.id) == "active" for person in people
    )


@pytest.mark.usefixtures("nobody_else")
def test_the_last_administrator_keeps_the_role(asgi: httpx.Client, world: World) -> None:
    admin, other = world.person(roles=["admin"]), world.account(roles=["admin"])
    disable(asgi, admin, other.id)
    answer = demote(asgi, admin, admin.id)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
    assert put_roles(asgi, admin, admin.id, "admin", "member").status_code == 200
    assert roles_of(world, admin.id) == ["admin", "member"]


@pytest.mark.usefixtures("nobody_else")
def test_a_disabled_administrator_is_none_and_may_lose_the_role(asgi: httpx.Client, world: World) -> None:
    admin, other = world.person(roles=["admin"]), world.account(roles=["admin"])
    disable(asgi, admin, other.id)
    assert demote(asgi, admin, other.id).status_code == 200


@pytest.mark.usefixtures("nobody_else")
def test_an_administrator_who_never_verified_their_address_is_none(asgi: httpx.Client, world: World) -> None:
    admin, other = world.person(roles=["admin"]), world.account(roles=["admin"])
    world.run("update users set email_verified_at = null where id = :id", id=other.id)
    for act in (demote, delete_own):
        answer = act(asgi, admin, admin.id)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_administrator")
    world.run("update users set email_verified_at = now() where id = :id", id=other.id)
    assert demote(asgi, admin, admin.id).status_code == 200


@pytest.mark.usefixtures("nobody_else")
@pytest.mark.parametrize(
    ("first", "second"), [(disable, disable), (demote, demote), (disable, demote), (demote, disable)]
)
def test_of_two_administrators_who_remove_each_other_at_once_one_remains(
    asgi: httpx.Client, world: World, first: Act, second: Act
) -> None:
    outcomes: Counter[tuple[int, ...]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(12):
            ada, eve = world.person(roles=["admin"]), world.person(roles=["admin"])
            statuses = together(pool, (first, asgi, ada, eve.id), (second, asgi, eve, ada.id))
            assert administrators(world, ada, eve) == 1
            outcomes[tuple(sorted(statuses))] += 1
            world.run("update users set roles = '{member}' where id = any(:ids)", ids=[ada.id, eve.id])
    # Refused as the last one, or, having come later, for being nobody who may any more.
    assert outcomes.keys() <= {(200, 409), (200, 401), (200, 403)}


@pytest.mark.usefixtures("nobody_else")
def test_of_two_administrators_who_resign_at_once_one_remains(asgi: httpx.Client, world: World) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(12):
            ada, eve = world.person(roles=["admin"]), world.person(roles=["admin"])
            statuses = together(pool, (demote, asgi, ada, ada.id), (demote, asgi, eve, eve.id))
            assert sorted(statuses) == [200, 409]
            assert administrators(world, ada, eve) == 1
            world.run("update users set roles = '{member}' where id = any(:ids)", ids=[ada.id, eve.id])


def together(pool: ThreadPoolExecutor, *calls: tuple[Act, httpx.Client, Person, UUID]) -> tuple[int, ...]:
    """The statuses of calls that start at one moment."""
    start = Barrier(len(calls))

    def call(act: Act, api: httpx.Client, actor: Person, user_id: UUID) -> int:
        start.wait(10)
        return act(api, actor, user_id).status_code

    return tuple(running.result() for running in [pool.submit(call, *each) for each in calls])
