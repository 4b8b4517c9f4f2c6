from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.functions.users.calls import api_key, disable, entry, patch, put_roles, role, roles_of, state_of
from tests.support.world import PASSWORD, Person, World

REASON = "Left us."


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def set_state(world: World, user_id: UUID, state: str) -> None:
    world.run("update users set state = :state, erase_at = now() where id = :id", state=state, id=user_id)


def live_sessions(world: World, user_id: UUID) -> int:
    statement = "select count(*) from sessions where user_id = :id and revoked_at is null"
    return int(world.scalar(statement, id=user_id))


def test_a_change_needs_the_version_that_was_read(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    changed = patch(asgi, admin, user.id, if_match='"1"', name="Ada L.", locale="de")
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (changed.json()["name"], changed.json()["locale"]) == ("Ada L.", "de")
    assert patch(asgi, admin, user.id, if_match='"1"', name="Lost").status_code == 412
    assert patch(asgi, admin, user.id, if_match='W/"2"', name="Weak").status_code == 412
    assert patch(asgi, admin, user.id, if_match='"9", "2"', name="One of two").status_code == 200
    assert patch(asgi, admin, user.id, if_match="*", name="Any").status_code == 200
    assert patch(asgi, admin, user.id, if_match="", name="None").status_code == 428
    found = entry(world, user.id, "account.changed")
    assert (found.actor_id, found.details) == (admin.id, {"fields": ["name"]})


def test_a_change_of_nothing_changes_nothing(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account(name="Ada")
    for change in ({}, {"name": "Ada"}, {"state": "active"}, {"name": None, "locale": None}):
        assert patch(asgi, admin, user.id, **change).headers["etag"] == '"1"'
    assert world.audit(user.id) == []


def test_disabling_ends_sessions_and_sign_in(asgi: httpx.Client, world: World, admin: Person) -> None:
    person, other = world.person(), world.person()
    answer = disable(asgi, admin, person.id)
    assert (answer.json()["state"], answer.json()["disabled_reason"]) == ("disabled", REASON)
    assert live_sessions(world, person.id) == 0
    assert live_sessions(world, other.id) == 1
    assert asgi.get("/v1/users/me", headers=person.headers).status_code == 401
    refreshed = asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
    assert refreshed.status_code == 401
    signed_in = asgi.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert (signed_in.status_code, signed_in.json()["code"]) == (403, "account_disabled")
    found = entry(world, person.id, "account.disabled")
    assert (found.actor_id, found.details) == (admin.id, {"reason": REASON, "sessions": 1})


def test_a_disabled_administrator_can_do_nothing_at_once_nor_can_their_keys(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    other = world.person(roles=["admin"])
    key = api_key(world, other, "users:read")
    assert asgi.get("/v1/users", headers=key.headers).status_code == 200
    disable(asgi, admin, other.id)
    for headers in (other.headers, key.headers):
        assert asgi.get("/v1/users", headers=headers).status_code == 401


def test_enabling_takes_back_what_disabling_did(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    disable(asgi, admin, user.id)
    answer = patch(asgi, admin, user.id, state="active")
    assert (answer.json()["state"], answer.json()["disabled_reason"]) == ("active", None)
    signed_in = asgi.post("/v1/auth/login", json={"email": user.email, "password": PASSWORD})
    assert signed_in.status_code == 200
    assert entry(world, user.id, "account.enabled").details == {"before": "disabled"}


def test_enabling_brings_back_an_account_that_is_being_deleted(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account()
    set_state(world, user.id, "deleting")
    world.run(
        "insert into one_time_tokens (digest, user_id, purpose, expires_at) "
        "values (:digest, :id, 'undo_deletion', now() + interval '1 day')",
        digest=uuid4().bytes * 2,
        id=user.id,
    )
    assert patch(asgi, admin, user.id, state="active").json()["state"] == "active"
    assert world.scalar("select erase_at from users where id = :id", id=user.id) is None
    spent = "select count(*) from one_time_tokens where user_id = :id and spent_at is not null"
    assert world.scalar(spent, id=user.id) == 1


def test_the_reason_of_a_disabled_account_can_be_put_right(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account()
    disable(asgi, admin, user.id)
    assert disable(asgi, admin, user.id).headers["etag"] == '"2"'
    corrected = patch(asgi, admin, user.id, state="disabled", disabled_reason="On leave.")
    assert corrected.json()["disabled_reason"] == "On leave."


@pytest.mark.parametrize(
    "change",
    [
        {"state": "disabled"},
        {"disabled_reason": REASON},
        {"state": "active", "disabled_reason": REASON},
        {"state": "disabled", "disabled_reason": "   "},
        {"state": "disabled", "disabled_reason": "x" * 501},
        {"state": "disabled", "disabled_reason": "two\nlines"},
    ],
)
def test_a_reason_belongs_to_disabling_and_is_never_missing(
    asgi: httpx.Client, world: World, admin: Person, change: dict[str, Any]
) -> None:
    user = world.account()
    answer = patch(asgi, admin, user.id, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/disabled_reason"]
    assert state_of(world, user.id) == "active"


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["admin"]},
        {"email": "a@b.example"},
        {"state": "deleted"},
        {"state": "invited"},
        {"password_reset_required": False},
        {"name": "\x00"},
        {"name": "x" * 201},
        {"locale": "no/tag"},
    ],
)
def test_what_may_not_be_changed_is_refused(
    asgi: httpx.Client, world: World, admin: Person, change: dict[str, Any]
) -> None:
    assert patch(asgi, admin, world.account().id, **change).status_code == 422


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("invited", {"state": "active"}),
        ("invited", {"state": "disabled", "disabled_reason": REASON}),
        ("deleting", {"state": "disabled", "disabled_reason": REASON}),
        ("deleted", {"state": "active"}),
        ("deleted", {"name": "Ada"}),
    ],
)
def test_a_state_is_left_only_by_its_own_ways(
    asgi: httpx.Client, world: World, admin: Person, state: str, change: dict[str, Any]
) -> None:
    user = world.account()
    set_state(world, user.id, state)
    answer = patch(asgi, admin, user.id, **change)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert state_of(world, user.id) == state


def test_nobody_disables_themselves(asgi: httpx.Client, world: World, admin: Person) -> None:
    answer = disable(asgi, admin, admin.id)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_account")
    assert state_of(world, admin.id) == "active"


def test_of_changes_to_one_version_at_the_same_moment_one_is_made(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account()

    def change(number: int) -> int:
        if number % 2:
            return patch(asgi, admin, user.id, if_match='"1"', name=f"Ada {number}").status_code
        headers = {"If-Match": '"1"'}
        return put_roles(asgi, admin, user.id, "member", "admin", **headers).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(change, range(8))) == {200: 1, 412: 7}
    assert world.scalar("select version from users where id = :id", id=user.id) == 2


def test_roles_are_replaced_as_a_whole(asgi: httpx.Client, world: World, admin: Person) -> None:
    user, support = world.account(), role(world, "users:read")
    answer = put_roles(asgi, admin, user.id, support, "admin", support)
    assert (answer.status_code, answer.json()["roles"]) == (200, sorted(["admin", support]))
    assert answer.headers["etag"] == '"2"'
    assert put_roles(asgi, admin, user.id, "admin", support).headers["etag"] == '"2"'
    assert put_roles(asgi, admin, user.id, "member", **{"If-Match": '"1"'}).status_code == 412
    # An empty one names no version, and is not the same as none.
    assert put_roles(asgi, admin, user.id, "member", **{"If-Match": ""}).status_code == 412
    found = entry(world, user.id, "account.roles_changed")
    assert (found.actor_id, found.outcome) == (admin.id, "success")
    assert found.details == {"old": ["member"], "new": sorted(["admin", support])}


def test_a_role_that_was_taken_counts_no_more_at_once(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    other = world.person(roles=["admin"])
    put_roles(asgi, admin, other.id, "member")
    answer = asgi.get("/v1/users", headers=other.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_role_that_there_is_not_is_refused_by_its_place(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account()
    answer = put_roles(asgi, admin, user.id, "member", "no-such-role")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_role")
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/roles/1"]
    assert roles_of(world, user.id) == ["member"]


@pytest.mark.parametrize("roles", [[], ["member"] * 17, ["Member"], [""], ["x" * 33], [1], None, ["a\x00b"]])
def test_what_is_no_list_of_roles_is_refused(
    asgi: httpx.Client, world: World, admin: Person, roles: object
) -> None:
    path = f"/v1/users/{world.account().id}/roles"
    assert asgi.put(path, json={"roles": roles}, headers=admin.headers).status_code == 422


def test_giving_roles_wants_a_recent_sign_in_and_no_key(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=admin.id
    )
    user = world.account()
    answer = put_roles(asgi, admin, user.id, "admin")
    assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required")
    assert patch(asgi, admin, user.id, name="Ada L.").status_code == 200


def test_signing_out_ends_every_session_of_the_account_alone(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    person, other = world.person(), world.person()
    for _ in range(2):
        assert asgi.post(f"/v1/users/{person.id}/sign-out", headers=admin.headers).status_code == 204
    assert (live_sessions(world, person.id), live_sessions(world, other.id)) == (0, 1)
    assert state_of(world, person.id) == "active"
    assert [entry.details["number"] for entry in revocations(world, person.id)] == [1, 0]
    refreshed = asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
    assert refreshed.status_code == 401


def revocations(world: World, user_id: UUID) -> list[Any]:
    statement = "select * from audit_log where subject_id = :id and action = 'session.revoked' order by id"
    return world.rows(statement, id=user_id)


def test_a_forced_reset_ends_sessions_and_has_a_link_sent(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    person = world.person()
    answer = asgi.post(f"/v1/users/{person.id}/password-reset", headers=admin.headers)
    assert answer.status_code == 202
    assert live_sessions(world, person.id) == 0
    read = asgi.get(f"/v1/users/{person.id}", headers=admin.headers).json()
    assert read["password_reset_required"] is True
    jobs = (
        "select function from jobs where task = 'send_password_reset' and payload = cast(:payload as jsonb)"
    )
    payload = f'{{"user_id": "{person.id}"}}'
    assert [job.function for job in world.rows(jobs, payload=payload)] == ["auth"]
    signed_in = asgi.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD})
    assert (signed_in.status_code, signed_in.json()["code"]) == (403, "password_reset_required")
    assert entry(world, person.id, "account.password_reset_required").actor_id == admin.id


def test_a_forced_reset_that_is_repeated_with_its_key_sends_one_link(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account()
    headers = admin.headers | {"Idempotency-Key": str(uuid4())}
    answers = [asgi.post(f"/v1/users/{user.id}/password-reset", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    jobs = "select count(*) from jobs where task = 'send_password_reset' and payload->>'user_id' = :id"
    assert world.scalar(jobs, id=str(user.id)) == 1


@pytest.mark.parametrize("state", ["invited", "disabled", "deleting", "deleted"])
def test_who_cannot_sign_in_is_sent_no_link(
    asgi: httpx.Client, world: World, admin: Person, state: str
) -> None:
    user = world.account()
    set_state(world, user.id, state)
    answer = asgi.post(f"/v1/users/{user.id}/password-reset", headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    jobs = "select count(*) from jobs where task = 'send_password_reset' and payload->>'user_id' = :id"
    assert world.scalar(jobs, id=str(user.id)) == 0
