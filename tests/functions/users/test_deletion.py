"""An account is deleted after a time of grace, in which that can be undone."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest

from common.database import get_database
from common.functions import PERSONAL
from common.one_time_tokens import issue, token_digest
from functions.users import erasure
from tests.functions.users.running import due_now, run_due
from tests.support.fixtures import SettingsChange
from tests.support.world import PASSWORD, Person, World

OTHER_LINKS = ("verify_email", "reset_password", "change_email", "invitation")


def delete_me(api: httpx.Client, person: Person) -> httpx.Response:
    return api.delete("/v1/users/me", headers=person.headers)


def undo(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/v1/users/undo-deletion", json={"token": token})


def login(api: httpx.Client, person: Person) -> int:
    return api.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD}).status_code


def state(world: World, user_id: UUID) -> str:
    return str(world.scalar("select state from users where id = :id", id=user_id))


def let_grace_pass(world: World, user_id: UUID) -> None:
    world.run("update users set erase_at = now() where id = :id", id=user_id)
    world.run("update one_time_tokens set expires_at = now() where user_id = :id", id=user_id)
    due_now(world, user_id)


def add_link(world: World, user_id: UUID, purpose: str) -> None:
    world.run(
        "insert into one_time_tokens (digest, user_id, purpose, expires_at)"
        " values (:digest, :id, :purpose, now() + interval '1 day')",
        digest=token_digest(f"{purpose} {user_id}"),
        id=user_id,
        purpose=purpose,
    )


def test_a_deletion_ends_all_access_at_once_and_tells_when_the_account_is_erased(
    asgi: httpx.Client, world: World
) -> None:
    person, before = world.person(), datetime.now(UTC)
    for purpose in OTHER_LINKS:
        add_link(world, person.id, purpose)
    answer = delete_me(asgi, person)
    assert answer.status_code == 202
    in_days = datetime.fromisoformat(answer.json()["erase_at"]) - before
    assert timedelta(days=13.99) < in_days < timedelta(days=14.01)

    assert asgi.get("/v1/users/me", headers=person.headers).status_code == 401
    assert delete_me(asgi, person).status_code == 401
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 401
    assert login(asgi, person) == 403
    live = "select purpose from one_time_tokens where user_id = :id and spent_at is null"
    assert [row.purpose for row in world.rows(live, id=person.id)] == ["undo_deletion"]
    assert ("account.deletion_requested", "success") in world.audit(person.id)
    [mail] = world.mails(person.email)
    assert mail.template == "deletion_requested"
    assert mail.values["link"].startswith("http://frontend:3000/undo-deletion?token=")


@pytest.mark.parametrize("purpose", ["download_export", "undo_email"])
def test_the_link_to_an_export_and_the_way_back_to_an_address_outlive_the_deletion(
    asgi: httpx.Client, world: World, purpose: str
) -> None:
    person = world.person()
    add_link(world, person.id, purpose)
    delete_me(asgi, person)
    live = (
        "select count(*) from one_time_tokens where user_id = :id and spent_at is null and purpose = :purpose"
    )
    assert world.scalar(live, id=person.id, purpose=purpose) == 1


def test_who_took_an_address_and_then_deletes_the_account_is_undone_by_who_lost_it(
    asgi: httpx.Client, world: World
) -> None:
    thief, lost = world.person(), world.address()
    token = get_database("users").transaction(
        partial(issue, user_id=thief.id, purpose="undo_email", lifetime=timedelta(days=7), email=lost)
    )
    assert delete_me(asgi, thief).status_code == 202
    [mail] = world.mails(lost)
    assert mail.template == "deletion_requested"
    assert undo(asgi, mail.token).status_code == 200
    assert asgi.post("/v1/auth/email/undo", json={"token": token}).status_code == 200
    assert world.scalar("select email from users where id = :id", id=thief.id) == lost


def test_a_deletion_needs_a_recent_sign_in(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=person.id
    )
    answer = delete_me(asgi, person)
    assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required")
    assert state(world, person.id) == "active"


def test_an_undone_deletion_leaves_the_account_as_it_was(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    delete_me(asgi, person)
    token = world.mails(person.email)[0].token
    assert undo(asgi, token).status_code == 200
    assert login(asgi, person) == 200
    assert undo(asgi, token).json()["code"] == "invalid_link"
    assert ("account.deletion_undone", "success") in world.audit(person.id)
    # The job of the deletion comes at its time all the same.
    due_now(world, person.id)
    assert run_due(world, person.id) == ["done"]
    assert state(world, person.id) == "active"
    assert login(asgi, person) == 200


def test_the_job_of_an_earlier_deletion_does_not_shorten_the_grace_of_a_later_one(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    delete_me(asgi, person)
    undo(asgi, world.mails(person.email)[0].token)
    tokens = asgi.post("/v1/auth/login", json={"email": person.email, "password": PASSWORD}).json()
    again = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert asgi.delete("/v1/users/me", headers=again).status_code == 202
    due_now(world, person.id)
    assert run_due(world, person.id) == ["done", "done"]
    assert state(world, person.id) == "deleting"
    assert undo(asgi, world.mails(person.email)[1].token).status_code == 200


def test_of_twenty_who_undo_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    delete_me(asgi, person)
    token = world.mails(person.email)[0].token
    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(lambda _: undo(asgi, token).status_code, range(20)))
    assert answers == {200: 1, 400: 19}
    assert world.audit(person.id).count(("account.deletion_undone", "success")) == 1


@pytest.mark.parametrize("token", ["", "unknown", "x" * 128])
def test_what_is_no_link_undoes_nothing(asgi: httpx.Client, token: str) -> None:
    answer = undo(asgi, token)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_link")


def test_a_link_of_another_kind_undoes_nothing(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    token = get_database("users").transaction(
        partial(issue, user_id=person.id, purpose="reset_password", lifetime=timedelta(hours=1))
    )
    delete_me(asgi, person)
    assert undo(asgi, token).status_code == 400
    assert state(world, person.id) == "deleting"


def test_after_the_grace_the_link_is_over(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    delete_me(asgi, person)
    let_grace_pass(world, person.id)
    assert undo(asgi, world.mails(person.email)[0].token).status_code == 400


def begin(person: Person) -> bool:
    return get_database("users").transaction(lambda session: erasure.begin_for(session, person.id))


def test_of_undo_and_erasure_at_one_moment_one_wins_whole(asgi: httpx.Client, world: World) -> None:
    for _ in range(12):
        person = world.person()
        delete_me(asgi, person)
        token = world.mails(person.email)[0].token
        # The moment at which the job may begin and the link still works: that of a transaction begun before.
        world.run("update users set erase_at = now() where id = :id", id=person.id)
        with ThreadPoolExecutor(2) as pool:
            erasing = pool.submit(begin, person)
            undoing = pool.submit(undo, asgi, token)
            begun, answer = erasing.result(), undoing.result().status_code
        assert (begun, answer) in ((True, 400), (False, 200))
        jobs = world.scalar(
            "select count(*) from jobs where task = 'erase_person' and payload->>'user_id' = :id",
            id=str(person.id),
        )
        run_due(world, person.id)
        assert (state(world, person.id), jobs) == (("deleted", len(PERSONAL)) if begun else ("active", 0))
        assert login(asgi, person) == (401 if begun else 200)


def test_an_erasure_that_has_begun_cannot_be_undone(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    delete_me(asgi, person)
    token = world.mails(person.email)[0].token
    world.run("update users set erase_at = now() where id = :id", id=person.id)
    assert begin(person)
    assert undo(asgi, token).status_code == 400
    assert not begin(person)


def test_without_grace_the_erasure_begins_at_once(
    asgi: httpx.Client, world: World, settings: SettingsChange
) -> None:
    settings(DELETION_GRACE_DAYS="0")
    person = world.person()
    assert delete_me(asgi, person).status_code == 202
    assert world.mails(person.email) == []
    assert set(run_due(world, person.id)) == {"done"}
    assert state(world, person.id) == "deleted"
    assert [mail.template for mail in world.mails(person.email)] == ["account_erased"]


def test_the_last_administrator_cannot_delete_themselves(asgi: httpx.Client, world: World) -> None:
    world.run("update users set roles = '{member}' where 'admin' = any(roles)")
    first, second = (world.person(roles=["admin"]) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda person: delete_me(asgi, person), (first, second)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "last_administrator"
    world.run("update users set roles = '{member}' where 'admin' = any(roles)")


@pytest.fixture
def administrator(world: World) -> Person:
    return world.person(roles=["admin"])


def delete(api: httpx.Client, by: Person, user_id: object) -> httpx.Response:
    return api.delete(f"/v1/users/{user_id}", headers=by.headers)


@pytest.mark.parametrize("before", ["active", "disabled", "invited"])
def test_an_administrator_deletes_another(
    asgi: httpx.Client, world: World, administrator: Person, before: str
) -> None:
    person = world.person()
    world.run("update users set state = :state where id = :id", id=person.id, state=before)
    answer = delete(asgi, administrator, person.id)
    assert answer.status_code == 202
    assert answer.json()["erase_at"] is not None
    assert asgi.get("/v1/users/me", headers=person.headers).status_code == 401
    [mail] = world.mails(person.email)
    assert mail.template == "deletion_by_administrator"
    assert "link" not in mail.values, "what an administrator decides, an administrator takes back"
    entries = "select actor_id, action from audit_log where subject_id = :id order by created_at, id"
    entry = world.rows(entries, id=person.id)[-1]
    assert (entry.actor_id, entry.action) == (administrator.id, "account.deletion_requested")
    let_grace_pass(world, person.id)
    assert set(run_due(world, person.id)) == {"done"}
    assert state(world, person.id) == "deleted"


def test_deleting_twice_is_deleting_once(asgi: httpx.Client, world: World, administrator: Person) -> None:
    person = world.person()
    first = delete(asgi, administrator, person.id).json()
    assert delete(asgi, administrator, person.id).json() == first
    assert len(world.mails(person.email)) == 1


def test_an_administrator_takes_the_way_back_from_who_deleted_themselves(
    asgi: httpx.Client, world: World, administrator: Person
) -> None:
    person = world.person()
    erase_at = delete_me(asgi, person).json()["erase_at"]
    assert delete(asgi, administrator, person.id).json()["erase_at"] == erase_at
    assert undo(asgi, world.mails(person.email)[0].token).status_code == 400
    assert [mail.template for mail in world.mails(person.email)][1:] == ["deletion_by_administrator"]


def test_an_administrator_uses_the_way_of_everybody_for_themselves(
    asgi: httpx.Client, administrator: Person
) -> None:
    answer = delete(asgi, administrator, administrator.id)
    assert (answer.status_code, answer.json()["code"]) == (403, "own_account")


def test_only_who_may_do_all_that_another_may_deletes_them(
    asgi: httpx.Client, world: World, administrator: Person
) -> None:
    role = f"deleter-{uuid4().hex[:8]}"
    world.run(
        "insert into roles (name, permissions) values (:name, '{users:read,users:write,profile:read}')",
        name=role,
    )
    deleter = world.person(roles=["member", role])
    answer = delete(asgi, deleter, administrator.id)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert state(world, administrator.id) == "active"
    assert world.audit(administrator.id)[-1] == ("account.deletion_requested", "refused")
    assert delete(asgi, deleter, world.person().id).status_code == 202


def test_who_may_not_administer_learns_nothing_of_who_is_there(asgi: httpx.Client, world: World) -> None:
    member, other = world.person(), world.person()
    answers = [delete(asgi, member, user_id) for user_id in (other.id, uuid4())]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (403, "insufficient_scope")
    }


def test_nobody_and_an_erased_account_are_not_found(
    asgi: httpx.Client, world: World, administrator: Person
) -> None:
    erased = world.person()
    world.run("update users set state = 'deleted' where id = :id", id=erased.id)
    for user_id in (uuid4(), erased.id):
        answer = delete(asgi, administrator, user_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_last_administrator_is_deleted_by_nobody(asgi: httpx.Client, world: World) -> None:
    world.run("update users set roles = '{member}' where 'admin' = any(roles)")
    first, second = (world.person(roles=["admin"]) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda pair: delete(asgi, *pair).status_code, ((first, second.id), (second, first.id))
        )
    # Who is deleted first is signed out, has lost their powers meanwhile, or is the last one left.
    assert sorted(answers) in ([202, 401], [202, 403], [202, 409])
    left = world.scalar("select count(*) from users where state = 'active' and 'admin' = any(roles)")
    assert left == 1
    world.run("update users set roles = '{member}' where 'admin' = any(roles)")


def test_undoing_is_limited(asgi: httpx.Client, limits_on: None) -> None:
    answers = Counter(undo(asgi, "unknown").status_code for _ in range(65))
    assert answers == {400: 60, 429: 5}


def restore(api: httpx.Client, by: Person, user_id: UUID) -> httpx.Response:
    headers = by.headers | {"If-Match": "*"}
    return api.patch(f"/v1/users/{user_id}", json={"state": "active"}, headers=headers)


def test_an_administrator_takes_a_deletion_back(
    asgi: httpx.Client, world: World, administrator: Person
) -> None:
    person = world.person()
    delete(asgi, administrator, person.id)
    answer = restore(asgi, administrator, person.id)
    assert (answer.status_code, answer.json()["state"], answer.json()["erase_at"]) == (200, "active", None)
    due_now(world, person.id)
    assert run_due(world, person.id) == ["done"]
    assert login(asgi, person) == 200


def test_of_an_administrator_who_takes_it_back_and_the_erasure_one_wins_whole(
    asgi: httpx.Client, world: World, administrator: Person
) -> None:
    for _ in range(8):
        person = world.person()
        delete_me(asgi, person)
        world.run("update users set erase_at = now() where id = :id", id=person.id)
        with ThreadPoolExecutor(2) as pool:
            erasing = pool.submit(begin, person)
            restoring = pool.submit(restore, asgi, administrator, person.id)
            outcome = (erasing.result(), restoring.result().status_code)
        assert outcome in ((True, 409), (False, 200))
        run_due(world, person.id)
        assert state(world, person.id) == ("deleted" if outcome[0] else "active")
