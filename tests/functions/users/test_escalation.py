"""Nobody acts on more permissions than they have, whatever their role is called."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from common.permissions import ADMIN, MEMBER
from tests.functions.users.calls import (
    api_key,
    disable,
    entry,
    patch,
    put_roles,
    role,
    roles_of,
    with_permissions,
)
from tests.support.waiting import eventually
from tests.support.world import Person, World

OFFICER: Final = ("users:read", "users:write", "roles:write", "profile:read", "profile:write")
MEMBERS: Final = tuple(sorted(MEMBER))

type Act = Callable[[httpx.Client, Person, UUID], httpx.Response]


def _post(path: str) -> Act:
    return lambda api, actor, user_id: api.post(f"/v1/users/{user_id}/{path}", headers=actor.headers)


ACTS: Final[dict[str, tuple[Act, str]]] = {
    "rename": (lambda api, actor, user_id: patch(api, actor, user_id, name="Eve"), "account.changed"),
    "disable": (disable, "account.changed"),
    "enable": (lambda api, actor, user_id: patch(api, actor, user_id, state="active"), "account.changed"),
    "demote": (
        lambda api, actor, user_id: put_roles(api, actor, user_id, "member"),
        "account.roles_changed",
    ),
    "sign out": (_post("sign-out"), "session.revoked"),
    "reset": (_post("password-reset"), "account.password_reset_required"),
}


def row(world: World, user_id: UUID) -> object:
    return world.rows("select * from users where id = :id", id=user_id)


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("act", ACTS)
def test_who_may_write_users_cannot_touch_an_administrator(
    asgi: httpx.Client, world: World, act: str
) -> None:
    call, action = ACTS[act]
    officer = with_permissions(world, *OFFICER, *MEMBERS)
    admin = world.person(roles=["admin"])
    before = row(world, admin.id)
    assert_refused(call(asgi, officer, admin.id))
    assert row(world, admin.id) == before
    live = "select count(*) from sessions where user_id = :id and revoked_at is null"
    assert world.scalar(live, id=admin.id) == 1
    tried = entry(world, admin.id, action)
    assert (tried.outcome, tried.actor_id) == ("refused", officer.id)
    assert tried.details == {"reason": "insufficient_scope"}


@pytest.mark.parametrize("act", ACTS)
def test_who_may_write_users_acts_on_those_who_may_no_more_than_they(
    asgi: httpx.Client, world: World, act: str
) -> None:
    call, _ = ACTS[act]
    officer = with_permissions(world, *OFFICER, *MEMBERS)
    assert call(asgi, officer, world.account().id).is_success


@pytest.mark.parametrize("act", ACTS)
def test_a_permission_through_a_role_of_ones_own_counts_as_any(
    asgi: httpx.Client, world: World, act: str
) -> None:
    call, _ = ACTS[act]
    officer = with_permissions(world, *OFFICER)
    auditor = world.account(roles=[role(world, "profile:read", "audit:read")])
    before = row(world, auditor.id)
    assert_refused(call(asgi, officer, auditor.id))
    assert row(world, auditor.id) == before


@pytest.mark.parametrize("roles", [["admin"], ["member", "admin"]])
def test_nobody_makes_themselves_or_others_an_administrator(
    asgi: httpx.Client, world: World, roles: list[str]
) -> None:
    officer = with_permissions(world, *OFFICER, *MEMBERS)
    own = roles_of(world, officer.id)
    accomplice = world.account()
    assert_refused(put_roles(asgi, officer, officer.id, *own, *roles))
    assert_refused(put_roles(asgi, officer, accomplice.id, *roles))
    assert roles_of(world, officer.id) == own
    assert roles_of(world, accomplice.id) == ["member"]
    assert entry(world, accomplice.id, "account.roles_changed").outcome == "refused"


def test_a_role_is_given_by_who_has_all_that_it_permits(asgi: httpx.Client, world: World) -> None:
    officer = with_permissions(world, *OFFICER, *MEMBERS)
    user = world.account()
    lesser, greater = role(world, "users:read"), role(world, "users:read", "audit:read")
    assert put_roles(asgi, officer, user.id, "member", lesser).status_code == 200
    assert_refused(put_roles(asgi, officer, user.id, lesser, greater))
    assert roles_of(world, user.id) == sorted(["member", lesser])


def test_a_disabled_administrator_is_not_enabled_by_less(asgi: httpx.Client, world: World) -> None:
    officer = with_permissions(world, *OFFICER, *MEMBERS)
    admin = world.account(roles=["admin"])
    world.run("update users set state = 'disabled' where id = :id", id=admin.id)
    assert_refused(patch(asgi, officer, admin.id, state="active"))


def test_a_role_is_made_changed_and_deleted_by_who_has_all_that_it_permits(
    asgi: httpx.Client, world: World
) -> None:
    officer = with_permissions(world, *OFFICER)
    name = f"r{uuid4().hex[:12]}"
    headers = officer.headers | {"If-Match": "*"}

    def write(method: str, path: str, *permissions: str) -> httpx.Response:
        body: dict[str, object] = {"permissions": list(permissions)}
        if method == "POST":
            return asgi.post("/v1/users/roles", json=body | {"name": path}, headers=headers)
        return asgi.request(method, f"/v1/users/roles/{path}", json=body, headers=headers)

    assert_refused(write("POST", name, "users:read", "audit:read"))
    assert write("POST", name, "users:read").status_code == 201
    assert_refused(write("PATCH", name, "users:read", "audit:read"))
    greater = role(world, "users:read", "audit:read")
    assert_refused(write("PATCH", greater))
    assert_refused(write("PATCH", greater, "users:read"))
    assert_refused(write("DELETE", greater))
    assert world.scalar("select permissions from roles where name = :name", name=greater) == [
        "users:read",
        "audit:read",
    ]
    refused = "select action from audit_log where actor_id = :id and outcome = 'refused' order by id"
    assert [tried.action for tried in world.rows(refused, id=officer.id)] == [
        "role.created",
        "role.changed",
        "role.changed",
        "role.changed",
        "role.deleted",
    ]


def test_nobody_widens_a_role_that_they_have_themselves(asgi: httpx.Client, world: World) -> None:
    officer = with_permissions(world, *OFFICER)
    (own,) = roles_of(world, officer.id)
    headers = officer.headers | {"If-Match": "*"}
    wider = {"permissions": [*OFFICER, "ai:admin"]}
    assert_refused(asgi.patch(f"/v1/users/roles/{own}", json=wider, headers=headers))
    narrower = {"permissions": ["roles:write"]}
    assert asgi.patch(f"/v1/users/roles/{own}", json=narrower, headers=headers).status_code == 200
    # And what they gave up, they cannot take back.
    assert_refused(asgi.patch(f"/v1/users/roles/{own}", json=narrower | wider, headers=headers))


def test_a_key_of_an_administrator_acts_within_its_scopes(asgi: httpx.Client, world: World) -> None:
    admin, user = world.person(roles=["admin"]), world.account()
    narrow = api_key(world, admin, "users:write")
    assert_refused(patch(asgi, narrow, user.id, name="Eve"))
    wide = api_key(world, admin, "users:write", *MEMBER)
    assert patch(asgi, wide, user.id, name="Eve").status_code == 200
    assert_refused(patch(asgi, wide, world.account(roles=["admin"]).id, name="Eve"))
    changed = world.rows(
        "select api_key_id, actor_id from audit_log where subject_id = :id and outcome = 'success'",
        id=user.id,
    )
    assert [(each.api_key_id is not None, each.actor_id) for each in changed] == [(True, admin.id)]


def test_a_key_gives_no_roles_and_makes_none(asgi: httpx.Client, world: World) -> None:
    key = api_key(world, world.person(roles=["admin"]), *ADMIN)
    answers = [
        put_roles(asgi, key, world.account().id, "member"),
        asgi.post("/v1/users/roles", json={"name": "never", "permissions": []}, headers=key.headers),
        asgi.delete("/v1/users/roles/never", headers=key.headers),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(403, "session_required")] * 3


def test_a_key_does_not_disable_its_own_owner(asgi: httpx.Client, world: World) -> None:
    admin = world.person(roles=["admin"])
    answer = disable(asgi, api_key(world, admin, *ADMIN), admin.id)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_account")


@pytest.mark.parametrize(
    ("permissions", "method", "path"),
    [
        (("users:write", "roles:write"), "GET", "/v1/users"),
        (("users:write", "roles:write"), "GET", "/v1/users/{id}"),
        (("users:write", "roles:write"), "GET", "/v1/users/roles"),
        (("users:write", "roles:write"), "GET", "/v1/users/roles/member"),
        (("users:read", "roles:write"), "PATCH", "/v1/users/{id}"),
        (("users:read", "roles:write"), "PUT", "/v1/users/{id}/roles"),
        (("users:read", "roles:write"), "POST", "/v1/users/{id}/sign-out"),
        (("users:read", "roles:write"), "POST", "/v1/users/{id}/password-reset"),
        (("users:read", "users:write"), "POST", "/v1/users/roles"),
        (("users:read", "users:write"), "PATCH", "/v1/users/roles/member"),
        (("users:read", "users:write"), "DELETE", "/v1/users/roles/member"),
    ],
)
def test_each_operation_needs_its_own_permission(
    asgi: httpx.Client, world: World, permissions: tuple[str, ...], method: str, path: str
) -> None:
    actor = with_permissions(world, *permissions)
    path = path.replace("{id}", str(actor.id))
    body: dict[str, object] | None = None if method in ("GET", "DELETE") else {}
    assert_refused(asgi.request(method, path, json=body, headers=actor.headers))


@pytest.mark.parametrize(
    ("taken", "act"),
    [
        ("roles = '{member}'", lambda api, actor: put_roles(api, actor, actor.id, "admin")),
        ("state = 'disabled'", lambda api, actor: patch(api, actor, actor.id, state="active")),
    ],
)
def test_who_waits_for_what_demotes_them_cannot_take_it_back(
    asgi: httpx.Client, world: World, taken: str, act: Callable[[httpx.Client, Person], httpx.Response]
) -> None:
    actor = world.person(roles=["admin"])
    waits = "select 1 from pg_locks where not granted and transactionid = cast(:xid as xid)"
    with ThreadPoolExecutor(1) as pool:
        with world.engine.begin() as other:
            other.execute(text(f"update users set {taken} where id = :id"), {"id": actor.id})
            answer = pool.submit(act, asgi, actor)
            xid = str(other.scalar(text("select pg_current_xact_id()::xid::text")))
            eventually(lambda: world.rows(waits, xid=xid))
        assert_refused(answer.result())
    demoted = f"select {taken.partition(' =')[0]} = {taken.partition('= ')[2]} from users where id = :id"
    assert world.scalar(demoted, id=actor.id)
