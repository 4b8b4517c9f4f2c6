from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from common.permissions import ADMIN, MEMBER
from tests.functions.users.calls import put_roles, role, roles_of
from tests.support.waiting import eventually
from tests.support.world import Person, World

PATH = "/v1/users/roles"


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def new_name() -> str:
    return f"r{uuid4().hex[:16]}"


def make(api: httpx.Client, actor: Person, *permissions: str, **role: Any) -> httpx.Response:
    body = {"name": new_name(), "permissions": list(permissions)} | role
    return api.post(PATH, json=body, headers=actor.headers)


def change(
    api: httpx.Client, actor: Person, name: str, *, if_match: str = "*", **changes: Any
) -> httpx.Response:
    return api.patch(f"{PATH}/{name}", json=changes, headers=actor.headers | {"If-Match": if_match})


def entries(world: World, name: str) -> list[Any]:
    statement = "select * from audit_log where details->>'role' = :name order by id"
    return world.rows(statement, name=name)


def test_a_role_is_made_read_and_given(asgi: httpx.Client, world: World, admin: Person) -> None:
    made = make(asgi, admin, "users:read", "ai:use", "users:read", description="Looks.")
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    name = made.json()["name"]
    assert made.json() | {"created_at": 0, "updated_at": 0} == {
        "name": name,
        "description": "Looks.",
        "permissions": ["ai:use", "users:read"],
        "built_in": False,
        "created_at": 0,
        "updated_at": 0,
    }
    read = asgi.get(f"{PATH}/{name}", headers=admin.headers)
    assert read.json() == made.json()
    unchanged = asgi.get(f"{PATH}/{name}", headers=admin.headers | {"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304
    person = world.person()
    assert asgi.get("/v1/users", headers=person.headers).status_code == 403
    put_roles(asgi, admin, person.id, name)
    assert asgi.get("/v1/users", headers=person.headers).status_code == 200
    (created,) = entries(world, name)
    assert (created.action, created.actor_id) == ("role.created", admin.id)
    assert created.details == {"role": name, "new": ["ai:use", "users:read"]}


def test_built_in_roles_are_listed_and_marked(asgi: httpx.Client, world: World, admin: Person) -> None:
    own = role(world, "ai:use")
    url: str | None = f"{PATH}?limit=2"
    found = []
    while url:
        page = asgi.get(url, headers=admin.headers)
        found += page.json()["items"]
        url = page.links["next"]["url"] if page.links else None
    by_name = {item["name"]: item for item in found}
    assert len(by_name) == len(found)
    assert {name for name, item in by_name.items() if item["built_in"]} == {"admin", "member"}
    assert by_name["admin"]["permissions"] == sorted(ADMIN)
    assert by_name[own]["permissions"] == ["ai:use"]
    read = asgi.get(f"{PATH}/member", headers=admin.headers)
    assert (read.json()["permissions"], read.json()["created_at"]) == (sorted(MEMBER), None)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("name", "status", "code"), [("admin", 409, "built_in_role"), ("no-such-role", 404, "not_found")]
)
def test_a_role_that_is_built_in_or_nowhere_is_not_changed(
    asgi: httpx.Client, admin: Person, method: str, name: str, status: int, code: str
) -> None:
    headers = admin.headers | {"If-Match": "*"}
    body: dict[str, Any] | None = {"permissions": []} if method == "PATCH" else None
    answer = asgi.request(method, f"{PATH}/{name}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("name", ["admin", "member"])
def test_a_name_that_is_built_in_is_taken(asgi: httpx.Client, admin: Person, name: str) -> None:
    answer = make(asgi, admin, name=name)
    assert (answer.status_code, answer.json()["code"]) == (409, "role_exists")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a"},
        {"name": "Admin"},
        {"name": "1st"},
        {"name": "-x"},
        {"name": "a b"},
        {"name": "a\n"},
        {"name": "ab\x00"},
        {"name": "аdmin"},
        {"name": "a" * 33},
        {"permissions": ["users:everything"]},
        {"permissions": ["users:read"] * 65},
        {"permissions": None},
        {"description": "x" * 201},
        {"description": "two\nlines"},
        {"built_in": True},
    ],
)
def test_what_is_no_role_is_refused(asgi: httpx.Client, admin: Person, body: dict[str, Any]) -> None:
    answer = make(asgi, admin, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("name", ["Admin", "a", "%00x", "a%20b", "x" * 33])
def test_what_is_no_name_of_a_role_is_refused_in_a_path(asgi: httpx.Client, admin: Person, name: str) -> None:
    assert asgi.get(f"{PATH}/{name}", headers=admin.headers).status_code == 422


def test_of_two_roles_of_one_name_at_the_same_moment_one_is_made(asgi: httpx.Client, admin: Person) -> None:
    name = new_name()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(make, asgi, admin, "ai:use", name=name) for _ in range(8)]
        assert Counter(call.result().status_code for call in calls) == {201: 1, 409: 7}


def test_making_a_role_again_with_its_key_repeats_the_answer(asgi: httpx.Client, admin: Person) -> None:
    headers = admin.headers | {"Idempotency-Key": str(uuid4())}
    body: dict[str, Any] = {"name": new_name(), "permissions": []}
    first, second = (asgi.post(PATH, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["etag"] == '"1"'


def test_a_role_is_changed_for_all_who_have_it(asgi: httpx.Client, world: World, admin: Person) -> None:
    name = make(asgi, admin, "ai:use").json()["name"]
    person = world.person(roles=[name])
    changed = change(asgi, admin, name, if_match='"1"', permissions=["users:read"], description="Reads.")
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (changed.json()["permissions"], changed.json()["description"]) == (["users:read"], "Reads.")
    assert asgi.get("/v1/users", headers=person.headers).status_code == 200
    assert change(asgi, admin, name, permissions=[]).status_code == 200
    assert asgi.get("/v1/users", headers=person.headers).status_code == 403
    *_, emptied = entries(world, name)
    assert emptied.action == "role.changed"
    assert emptied.details == {"role": name, "fields": ["permissions"], "old": ["users:read"], "new": []}


def test_a_change_of_a_role_needs_the_version_that_was_read(asgi: httpx.Client, admin: Person) -> None:
    name = make(asgi, admin).json()["name"]
    assert change(asgi, admin, name, if_match="", description="x").status_code == 428
    assert change(asgi, admin, name, if_match='"2"', description="x").status_code == 412
    assert change(asgi, admin, name, if_match='"1"').headers["etag"] == '"1"'
    same = change(asgi, admin, name, if_match='"1"', description="", permissions=[])
    assert same.headers["etag"] == '"1"'
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(change, asgi, admin, name, if_match='"1"', description=str(number))
            for number in range(8)
        ]
        assert Counter(call.result().status_code for call in calls) == {200: 1, 412: 7}


def test_a_role_goes_when_nobody_has_it(asgi: httpx.Client, world: World, admin: Person) -> None:
    name = make(asgi, admin, "ai:use").json()["name"]
    user = world.account(roles=["member", name])
    refused = asgi.delete(f"{PATH}/{name}", headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "role_in_use")
    world.run("update users set state = 'disabled' where id = :id", id=user.id)
    assert asgi.delete(f"{PATH}/{name}", headers=admin.headers).status_code == 409
    put_roles(asgi, admin, user.id, "member")
    assert asgi.delete(f"{PATH}/{name}", headers=admin.headers).status_code == 204
    assert asgi.get(f"{PATH}/{name}", headers=admin.headers).status_code == 404
    assert [entry.action for entry in entries(world, name)] == ["role.created", "role.deleted"]


def test_a_role_is_never_given_while_it_goes(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    outcomes: Counter[tuple[int, int]] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            name = role(world, "ai:use")
            put_roles(asgi, admin, user.id, "member")
            gone = pool.submit(asgi.delete, f"{PATH}/{name}", headers=admin.headers)
            given = pool.submit(put_roles, asgi, admin, user.id, name)
            outcomes[given.result().status_code, gone.result().status_code] += 1
            there = world.scalar("select count(*) from roles where name = :name", name=name)
            assert (roles_of(world, user.id) == [name]) == bool(there)
    assert set(outcomes) <= {(200, 409), (422, 204)}


def test_deleting_a_role_waits_for_whoever_gives_it_at_this_moment(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    name, user = role(world), world.account()
    waiting = "select count(*) from pg_locks where not granted"
    with ThreadPoolExecutor(1) as pool:
        with world.engine.begin() as giving:
            giving.execute(text("select from roles where name = :name for share"), {"name": name})
            give = text("update users set roles = array[:name] where id = :id")
            giving.execute(give, {"name": name, "id": user.id})
            deleted = pool.submit(asgi.delete, f"{PATH}/{name}", headers=admin.headers)
            eventually(lambda: world.scalar(waiting))
        answer = deleted.result()
    assert (answer.status_code, answer.json()["code"]) == (409, "role_in_use")


def test_a_tombstone_keeps_no_role(asgi: httpx.Client, world: World, admin: Person) -> None:
    name = role(world, "ai:use")
    user = world.account(roles=[name])
    world.run("update users set state = 'deleted' where id = :id", id=user.id)
    assert asgi.delete(f"{PATH}/{name}", headers=admin.headers).status_code == 204


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_writing_roles_wants_a_recent_sign_in(
    asgi: httpx.Client, world: World, admin: Person, method: str
) -> None:
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=admin.id
    )
    path = PATH if method == "POST" else f"{PATH}/{role(world)}"
    answer = asgi.request(method, path, json={}, headers=admin.headers | {"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required")
