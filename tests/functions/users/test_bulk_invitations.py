"""A list of people: how it is taken, worked off by the job, and reported on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.orm import Session

from common.database import get_database
from common.jobs import rerun
from common.settings import get_settings
from functions.users import bulk_invitations
from functions.users.jobs import handler, tasks
from tests.functions.users.test_invitations import role
from tests.support.world import Person, World

HEADER = "email,name,roles\r\n"
PLACE = "/v1/users/invitations"


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def send(api: httpx.Client, by: Person, content: str | bytes, **headers: str) -> httpx.Response:
    typed = {"Content-Type": "text/csv"} | by.headers | headers
    raw = content if isinstance(content, bytes) else content.encode()
    return api.post(PLACE, content=raw, headers=typed)


def sent(api: httpx.Client, by: Person, lines: Sequence[str]) -> str:
    """Where the list is that was taken."""
    answer = send(api, by, HEADER + "\r\n".join(lines))
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def waiting_job(world: World, place: str) -> UUID | None:
    """The job that works on the list next."""
    found = world.rows(
        "select id from jobs where payload ->> 'bulk_invitation_id' = :id and state <> 'done'",
        id=place.rpartition("/")[2],
    )
    return found[0].id if found else None


def work_off(world: World, place: str) -> int:
    """Run the jobs of a list until there is none; how many."""
    number = 0
    while (job_id := waiting_job(world, place)) is not None:
        assert tasks.run_one(job_id) == "done"
        number += 1
    return number


def report(api: httpx.Client, by: Person, place: str) -> dict[str, tuple[str, str]]:
    """Outcome and detail by address."""
    return {item["email"]: (item["outcome"], item["detail"]) for item in pages(api, by, f"{place}/lines")}


def pages(api: httpx.Client, by: Person, path: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while cursor is not None:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = api.get(path, params=query, headers=by.headers).json()
        yield from page["items"]
        cursor = page["next_cursor"]


def counts(api: httpx.Client, by: Person, place: str) -> dict[str, int]:
    counted: dict[str, int] = api.get(place, headers=by.headers).json()["counts"]
    return {outcome: number for outcome, number in counted.items() if number}


def test_a_list_is_taken_at_once_and_worked_off_by_a_job(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    new, taken = world.address(), world.account().email
    given = (f'{new},"Lovelace, Ada",member', f"{taken},,", f"{new.upper()},,", "nobody,,")
    unknown = f"{world.address()},,no-such-role"
    answer = send(asgi, admin, HEADER + "\r\n".join([*given, unknown]))
    body = answer.json()
    assert answer.status_code == 202
    assert (body["state"], body["lines"], body["created_by"]) == ("queued", 5, str(admin.id))
    assert world.mails(new) == []
    place = answer.headers["location"]
    assert place == f"{PLACE}/{body['id']}"
    assert counts(asgi, admin, place) == {"waiting": 3, "duplicate": 1, "invalid": 1}
    assert work_off(world, place) == 1
    done = asgi.get(place, headers=admin.headers).json()
    assert (done["state"], done["lines"]) == ("done", 5)
    assert done["finished_at"] >= done["created_at"]
    assert counts(asgi, admin, place) == {"invited": 1, "exists": 1, "duplicate": 1, "invalid": 2}
    lines = list(pages(asgi, admin, f"{place}/lines"))
    assert [(line["line"], line["outcome"]) for line in lines] == [
        (2, "invited"),
        (3, "exists"),
        (4, "duplicate"),
        (5, "invalid"),
        (6, "invalid"),
    ]
    assert [bool(line["detail"]) for line in lines] == [False, True, True, True, True]
    [mail] = world.mails(new)
    assert (mail.template, mail.values["name"]) == ("invitation", "Lovelace, Ada")
    invited = world.rows("select id, state, name, roles from users where email = :email", email=new)[0]
    assert (invited.state, invited.name, invited.roles) == ("invited", "Lovelace, Ada", ["member"])
    entry = world.rows("select * from audit_log where subject_id = :id", id=invited.id)[0]
    assert (entry.action, entry.actor_id) == ("account.invited", admin.id)


def test_who_was_invited_by_a_list_accepts_as_anybody_does(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    email = world.address()
    work_off(world, sent(asgi, admin, [f"{email},,"]))
    body = {"token": world.mails(email)[0].token, "password": "correct horse battery staple"}
    assert asgi.post("/v1/auth/invitations/accept", json=body).status_code == 200


def test_a_long_list_is_worked_off_in_several_jobs(asgi: httpx.Client, world: World, admin: Person) -> None:
    lines = [f"{world.address()},," for _ in range(2 * bulk_invitations.LINES_A_JOB + 1)]
    place = sent(asgi, admin, lines)
    job_id = waiting_job(world, place)
    assert tasks.run_one(job_id) == "done"
    running = asgi.get(place, headers=admin.headers).json()
    assert (running["state"], running["finished_at"]) == ("running", None)
    assert counts(asgi, admin, place) == {"invited": 100, "waiting": 101}
    assert work_off(world, place) == 2
    assert counts(asgi, admin, place) == {"invited": 201}
    numbers = [line["line"] for line in pages(asgi, admin, f"{place}/lines")]
    assert numbers == list(range(2, 203))


def test_nobody_gives_by_a_list_what_they_could_not_give(asgi: httpx.Client, world: World) -> None:
    inviter = world.person(roles=["member", role(world, "users:write", "users:read")])
    member, powerful = world.address(), world.address()
    place = sent(asgi, inviter, [f"{member},,", f"{powerful},,admin"])
    work_off(world, place)
    outcomes = {email: outcome for email, (outcome, _) in report(asgi, inviter, place).items()}
    assert outcomes == {member: "invited", powerful: "refused"}


@pytest.mark.parametrize(
    "change",
    [
        "update users set state = 'disabled' where id = :id",
        "update users set state = 'deleting' where id = :id",
        "update users set roles = '{member}' where id = :id",
    ],
)
def test_a_list_has_the_powers_that_its_sender_has_when_it_is_worked_off(
    asgi: httpx.Client, world: World, admin: Person, change: str
) -> None:
    sender = world.person(roles=["admin"])
    email = world.address()
    place = sent(asgi, sender, [f"{email},,"])
    world.run(change, id=sender.id)
    work_off(world, place)
    assert report(asgi, admin, place)[email] == ("refused", "Whoever sent this list may not invite any more.")
    assert world.mails(email) == []
    assert world.scalar("select count(*) from users where email = :email", email=email) == 0


def test_a_list_whose_sender_is_gone_is_gone(asgi: httpx.Client, world: World, admin: Person) -> None:
    sender = world.person(roles=["admin"])
    place = sent(asgi, sender, [f"{world.address()},,"])
    job_id = waiting_job(world, place)
    world.run("delete from users where id = :id", id=sender.id)
    assert tasks.run_one(job_id) == "done"
    for path in (place, f"{place}/lines"):
        assert asgi.get(path, headers=admin.headers).status_code == 404


def test_a_list_that_all_handlers_work_on_at_once_mails_each_address_once(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    emails = [world.address() for _ in range(20)]
    place = sent(asgi, admin, [f"{email},," for email in emails])
    list_id = UUID(place.rpartition("/")[2])

    def work(session: Session) -> bool:
        return bulk_invitations._work_line(session, list_id=list_id)

    def work_all(_: int) -> int:
        return sum(iter(lambda: get_database("users").transaction(work), False))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work_all, range(4))) == 20
    work_off(world, place)
    assert [len(world.mails(email)) for email in emails] == [1] * 20
    assert counts(asgi, admin, place) == {"invited": 20}


def test_two_lists_with_the_same_people_at_once_invite_each_once(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    emails = [world.address() for _ in range(20)]
    places = [
        sent(asgi, admin, [f"{email},," for email in order]) for order in (emails, list(reversed(emails)))
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda place: work_off(world, place), places))
    together = Counter(outcome for place in places for outcome, _ in report(asgi, admin, place).values())
    assert together == {"invited": 20, "exists": 20}
    assert [len(world.mails(email)) for email in emails] == [1] * 20


def test_a_repetition_with_the_same_key_takes_the_list_once(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    content, key = f"{HEADER}{world.address()},,", uuid4().hex
    first, second = (send(asgi, admin, content, **{"Idempotency-Key": key}) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"]
    mine = "select count(*) from bulk_invitations where created_by = :id"
    assert world.scalar(mine, id=admin.id) == 1
    other = send(asgi, admin, f"{HEADER}{world.address()},,", **{"Idempotency-Key": key})
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    "kind",
    [
        "", "application/json", "text/plain", "text/csv; charset=latin-1", "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded", "text/csvx",
    ],
)  # fmt: skip
def test_another_type_is_refused(asgi: httpx.Client, world: World, admin: Person, kind: str) -> None:
    refused = send(asgi, admin, f"{HEADER}{world.address()},,", **{"Content-Type": kind})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    assert "text/csv" in refused.json()["detail"]


@pytest.mark.parametrize(
    "kind", ["text/csv", "TEXT/CSV", 'text/csv; charset="UTF-8"', "text/csv;header=present;charset=utf-8"]
)
def test_csv_in_utf_8_is_taken(asgi: httpx.Client, world: World, admin: Person, kind: str) -> None:
    content = f"{HEADER}{world.address()},Zoë,"
    assert send(asgi, admin, content, **{"Content-Type": kind}).status_code == 202


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"name,email\r\n", HEADER.encode()])
def test_what_is_no_list_is_refused_and_invites_nobody(
    asgi: httpx.Client, world: World, admin: Person, content: bytes
) -> None:
    refused = send(asgi, admin, content)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_csv")
    assert world.scalar("select count(*) from bulk_invitations where created_by = :id", id=admin.id) == 0


def test_more_than_a_body_may_hold_is_refused_unread(asgi: httpx.Client, world: World, admin: Person) -> None:
    refused = send(asgi, admin, HEADER.encode() + b"x" * get_settings().max_body_bytes)
    assert (refused.status_code, refused.json()["code"]) == (413, "content_too_large")


def test_a_list_needs_a_recent_sign_in_of_somebody_who_may_invite(asgi: httpx.Client, world: World) -> None:
    content = f"{HEADER}{world.address()},,"
    member, stale = world.person(), world.person(roles=["admin"])
    world.run(
        "update sessions set authenticated_at = now() - interval '1 day' where user_id = :id", id=stale.id
    )
    assert send(asgi, member, content).json()["code"] == "insufficient_scope"
    assert send(asgi, stale, content).json()["code"] == "recent_sign_in_required"


def test_lists_are_listed_the_newest_first(asgi: httpx.Client, world: World, admin: Person) -> None:
    places = [sent(asgi, admin, [f"{world.address()},,"] * number) for number in (1, 2, 3)]
    listed = {item["id"]: item for item in pages(asgi, admin, PLACE)}
    ids = [place.rpartition("/")[2] for place in reversed(places)]
    assert [each for each in listed if each in ids] == ids
    assert [listed[each]["lines"] for each in ids] == [3, 2, 1]
    assert listed[ids[0]]["counts"]["duplicate"] == 2


def test_a_cursor_works_in_the_report_that_gave_it_out_alone(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    places = [sent(asgi, admin, [f"{world.address()},,"] * 3) for _ in range(2)]
    first = asgi.get(f"{places[0]}/lines?limit=2", headers=admin.headers)
    assert 'rel="next"' in first.headers["link"]
    cursor = first.json()["next_cursor"]
    rest = asgi.get(f"{places[0]}/lines", params={"cursor": cursor}, headers=admin.headers)
    assert [line["line"] for line in rest.json()["items"]] == [4]
    foreign = asgi.get(f"{places[1]}/lines", params={"cursor": cursor}, headers=admin.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (400, "broken_cursor")


def test_old_lists_are_forgotten_with_the_addresses_in_them(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    old, young = (sent(asgi, admin, [f"{world.address()},,"]) for _ in range(2))
    world.run(
        "update bulk_invitations set created_at = now() - interval '91 days' where id = :id",
        id=old.rpartition("/")[2],
    )
    bulk_invitations.forget_old(get_database("users"))
    assert asgi.get(old, headers=admin.headers).status_code == 404
    assert asgi.get(young, headers=admin.headers).status_code == 200


def test_a_list_whose_job_is_lost_has_failed_until_it_is_run_again(
    asgi: httpx.Client, world: World, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = [world.address() for _ in range(2)]
    place = sent(asgi, admin, [f"{email},," for email in emails])
    job_id = waiting_job(world, place)
    assert job_id is not None
    world.run("update jobs set max_attempts = 1 where id = :id", id=job_id)
    with monkeypatch.context() as patched:
        patched.setattr(bulk_invitations, "invite", broken)
        assert tasks.run_one(job_id) == "dead"
    assert asgi.get(place, headers=admin.headers).json()["state"] == "failed"
    assert counts(asgi, admin, place)["waiting"] == 2
    assert get_database("worker").transaction(lambda session: rerun(session, job_id))
    assert tasks.run_one(job_id) == "done"
    assert asgi.get(place, headers=admin.headers).json()["state"] == "done"
    assert [len(world.mails(email)) for email in emails] == [1, 1]


def broken(*_: object) -> None:
    raise RuntimeError("nothing can be invited")


def test_the_schedule_works_lists_off(asgi: httpx.Client, world: World, admin: Person) -> None:
    world.run("delete from jobs where function = 'users'")
    place = sent(asgi, admin, [f"{world.address()},,"])
    assert handler({"source": "aws.events"}) == {"batchItemFailures": []}
    assert asgi.get(place, headers=admin.headers).json()["state"] == "done"
