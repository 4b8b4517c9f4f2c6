"""The audit log as a list and as an export: every entry once, newest first, filtered, bounded."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from common.api_keys import key_digest, new_key
from common.ids import new_id
from infra.local.function_url import PAYLOAD_LIMIT, from_result, to_event
from tests.support.transports import function_module
from tests.support.world import PASSWORD, Person, World

LIST = "/v1/users/audit"
EXPORT = "/v1/users/audit/export"
MEMBERS = {
    "id", "created_at", "action", "outcome", "actor_id", "subject_id", "session_id", "api_key_id",
    "client_address", "user_agent", "request_id", "details",
}  # fmt: skip
START = datetime(2026, 1, 1, tzinfo=UTC)

_INSERT = """
    insert into audit_log (id, created_at, action, outcome, actor_id, subject_id, client_address, user_agent,
        request_id, details)
    select gen_random_uuid(), cast(:start as timestamptz) + n / 2 * interval '1 minute',
        case when mod(n, 3) = 0 then 'test.thirds' else 'test.others' end,
        case when mod(n, 5) = 0 then 'refused' else 'success' end,
        :actor, :subject, '203.0.113.9', 'ünïcode "quoted"', 'request', cast(:details as jsonb)
    from generate_series(0, :number - 1) as n
"""


@pytest.fixture(scope="module")
def auditor(world: World) -> Person:
    return world.person(roles=["admin"])


def fill(world: World, number: int, **values: Any) -> UUID:
    """Entries on a new subject, two a minute from START on; gives the subject."""
    subject = uuid4()
    details = json.dumps(values.pop("details", {}))
    world.run(_INSERT, start=START, number=number, actor=uuid4(), subject=subject, details=details, **values)
    return subject


def listed(api: httpx.Client, auditor: Person, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(LIST, params={"limit": 100, **query}, headers=auditor.headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def exported(api: httpx.Client, auditor: Person, **query: Any) -> Iterator[httpx.Response]:
    """The answers of an export until its end."""
    cursor: dict[str, str] = {}
    while True:
        answer = api.get(EXPORT, params=query | cursor, headers=auditor.headers)
        assert answer.status_code == 200, answer.text
        yield answer
        if "next-cursor" not in answer.headers:
            assert "next" not in answer.links
            return
        cursor = {"cursor": answer.headers["next-cursor"]}


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text.endswith("\n") or not answer.text
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


def test_an_entry_tells_who_did_what_to_whom_from_where_when_and_with_what_result(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    user = world.account()
    credentials = {"email": user.email, "password": PASSWORD}
    agent = {b"User-Agent": "Mozilla/5.0 (ä)".encode(), b"X-Request-ID": b"a-request-of-mine"}
    asgi.post("/v1/auth/login", json=credentials | {"password": "not the password"}, headers=agent)
    before = datetime.now(UTC)
    assert asgi.post("/v1/auth/login", json=credentials, headers=agent).status_code == 200
    opened, refused = listed(asgi, auditor, subject_id=user.id)
    assert opened.keys() == MEMBERS
    assert (opened["action"], opened["outcome"]) == ("session.opened", "success")
    assert opened["actor_id"] == opened["subject_id"] == str(user.id)
    assert opened["session_id"] is not None
    assert (opened["client_address"], opened["user_agent"]) == ("203.0.113.7", "Mozilla/5.0 (ä)")
    assert opened["request_id"] == "a-request-of-mine"
    assert abs(datetime.fromisoformat(opened["created_at"]) - before) < timedelta(seconds=30)
    assert (refused["action"], refused["outcome"], refused["actor_id"]) == ("session.opened", "refused", None)
    assert refused["details"] == {"reason": "invalid_credentials"}


def test_the_newest_entries_come_first_unless_asked_otherwise(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    subject = fill(world, 10)
    newest = listed(asgi, auditor, subject_id=subject)
    assert [item["created_at"] for item in newest] == sorted(
        (item["created_at"] for item in newest), reverse=True
    )
    assert listed(asgi, auditor, subject_id=subject, sort="created_at") == newest[::-1]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, 30),
        ({"action": "test.thirds"}, 10),
        ({"outcome": "refused"}, 6),
        ({"action": "test.thirds", "outcome": "refused"}, 2),
        ({"since": "2026-01-01T00:05:00Z"}, 20),
        ({"until": "2026-01-01T00:05:00Z"}, 10),
        ({"until": "2026-01-01T01:05:00+01:00"}, 10),
        ({"since": "2026-01-01T00:05:00Z", "until": "2026-01-01T00:06:00Z"}, 2),
        ({"since": "2026-01-01T00:06:00Z", "until": "2026-01-01T00:05:00Z"}, 0),
        ({"action": "test.nobody_does"}, 0),
        ({"actor_id": str(UUID(int=7))}, 0),
    ],
)
def test_a_filter_lets_pass_what_matches_in_the_list_and_in_the_export(
    asgi: httpx.Client, world: World, auditor: Person, query: dict[str, str], number: int
) -> None:
    subject = str(fill(world, 30))
    items = listed(asgi, auditor, subject_id=subject, **query)
    assert len(items) == number
    [answer] = exported(asgi, auditor, subject_id=subject, **query)
    assert lines(answer) == items


def test_an_actor_is_a_filter(asgi: httpx.Client, world: World, auditor: Person) -> None:
    subject = fill(world, 3)
    actor = listed(asgi, auditor, subject_id=subject)[0]["actor_id"]
    assert {item["subject_id"] for item in listed(asgi, auditor, actor_id=actor)} == {str(subject)}


@pytest.mark.parametrize(
    "query",
    [
        {"action": "session"}, {"action": "Session.Opened"}, {"action": "a\x00.b"},
        {"action": "a" * 64 + ".b"}, {"outcome": "perhaps"}, {"actor_id": "me"}, {"subject_id": ""},
        {"cursor": "A" * 2049},
        {"since": "2026-01-01T00:00:00"}, {"since": "yesterday"}, {"until": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"}, {"since": "1e999"}, {"limit": "0"}, {"limit": "10001"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("path", [LIST, EXPORT])
def test_a_value_that_is_none_is_422(
    asgi: httpx.Client, auditor: Person, path: str, query: dict[str, str]
) -> None:
    answer = asgi.get(path, params=query, headers=auditor.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_list_has_the_order_of_time_and_no_other(asgi: httpx.Client, auditor: Person) -> None:
    answer = asgi.get(LIST, params={"sort": "action"}, headers=auditor.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("path", [LIST, EXPORT])
def test_the_first_and_the_last_moment_are_moments(
    asgi: httpx.Client, auditor: Person, path: str, edge: str
) -> None:
    query = {"since": edge, "until": edge}
    assert asgi.get(path, params=query, headers=auditor.headers).status_code == 200


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_every_entry_comes_once_although_two_have_one_time(
    asgi: httpx.Client, world: World, auditor: Person, sort: str
) -> None:
    subject = fill(world, 25)
    answer = asgi.get(
        LIST, params={"subject_id": str(subject), "limit": 7, "sort": sort}, headers=auditor.headers
    )
    ids = [item["id"] for item in answer.json()["items"]]
    while "next" in answer.links:
        answer = asgi.get(answer.links["next"]["url"], headers=auditor.headers)
        ids += [item["id"] for item in answer.json()["items"]]
    assert len(ids) == len(set(ids)) == 25


def test_a_cursor_is_of_its_reader_its_filters_and_its_operation(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    query = {"subject_id": str(fill(world, 5)), "limit": "2"}
    given = next(exported(asgi, auditor, **query)).headers["next-cursor"]
    another = world.person(roles=["admin"])
    for path, reader, change in (
        (EXPORT, another, {}),
        (EXPORT, auditor, {"subject_id": str(fill(world, 5))}),
        (EXPORT, auditor, {"outcome": "success"}),
        (LIST, auditor, {}),
    ):
        answer = asgi.get(path, params=query | {"cursor": given} | change, headers=reader.headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "broken_cursor")


@pytest.mark.parametrize("limit", [1, 9, 10, 11, 10_000])
def test_an_export_comes_to_its_end_with_every_entry_once(
    asgi: httpx.Client, world: World, auditor: Person, limit: int
) -> None:
    subject = str(fill(world, 20))
    answers = list(exported(asgi, auditor, subject_id=subject, limit=limit))
    assert len(answers) == max(1, 20 // limit + (20 % limit > 0))
    items = [item for answer in answers for item in lines(answer)]
    assert items == listed(asgi, auditor, subject_id=subject)


def test_an_export_is_read_in_chunks_beyond_the_first(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    subject = str(fill(world, 2500))
    [answer] = exported(asgi, auditor, subject_id=subject)
    assert len({item["id"] for item in lines(answer)}) == 2500
    first, second = exported(asgi, auditor, subject_id=subject, limit=2000)
    assert len(lines(first)) == 2000
    assert lines(first) + lines(second) == lines(answer)


def test_a_script_follows_the_link_to_the_end(asgi: httpx.Client, world: World, auditor: Person) -> None:
    query = {"subject_id": str(fill(world, 5)), "limit": "2", "until": "2026-01-01T00:02:00+00:00"}
    answer = asgi.get(EXPORT, params=query, headers=auditor.headers)
    items = lines(answer)
    while "next" in answer.links:
        answer = asgi.get(answer.links["next"]["url"], headers=auditor.headers)
        items += lines(answer)
    assert len(items) == 4


def test_nothing_to_export_is_an_empty_body(asgi: httpx.Client, auditor: Person) -> None:
    [answer] = exported(asgi, auditor, subject_id=str(uuid4()))
    assert answer.content == b""
    assert answer.headers["content-type"] == "application/x-ndjson"


# Quotes, control characters, what JSON escapes and what takes more bytes than characters.
LONG = ['"' * 4000, "\x01\n" * 1000, "ä€😀" * 1000, "plain " * 1000]


@pytest.mark.parametrize("text", LONG, ids=["quotes", "controls", "unicode", "plain"])
def test_an_answer_of_lambda_stays_under_6_megabytes_whatever_the_entries_hold(
    world: World, auditor: Person, text: str
) -> None:
    subject = str(fill(world, 1500, details={"text": text}))
    module = function_module(EXPORT)
    assert module is not None
    seen: list[int] = []
    cursor = ""
    while True:
        query = f"subject_id={subject}{cursor}"
        headers = [(b"authorization", auditor.headers["Authorization"].encode())]
        result = module.handler(to_event("GET", EXPORT, query, headers, b"", "203.0.113.7"), None)
        assert len(json.dumps(result).encode()) < PAYLOAD_LIMIT
        answer = from_result(result)
        assert answer.status == 200
        seen.append(len(answer.body.split(b"\n")) - 1)
        following = dict(answer.headers).get("next-cursor")
        if following is None:
            break
        cursor = f"&cursor={following}"
    assert sum(seen) == 1500
    assert len(seen) > 1


def test_an_entry_larger_than_an_answer_stops_nobody(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    subject = str(fill(world, 3, details={"text": "x" * 6_000_000}))
    answers = [lines(answer) for answer in exported(asgi, auditor, subject_id=subject)]
    assert [len(items) for items in answers] == [1, 1, 1]


def test_reading_the_export_is_in_the_log_each_time(asgi: httpx.Client, world: World) -> None:
    auditor = world.person(roles=["admin"])
    subject = str(fill(world, 3))
    assert len(list(exported(asgi, auditor, subject_id=subject, limit=2))) == 2
    second, first = listed(asgi, auditor, action="audit.exported", actor_id=auditor.id)
    filters = {"subject_id": subject}
    assert first["details"] == {"filters": filters, "continued": False, "entries": 2, "complete": False}
    assert second["details"] == {"filters": filters, "continued": True, "entries": 1, "complete": True}
    assert (first["outcome"], first["subject_id"]) == ("success", None)


def test_an_export_of_everything_ends_although_each_answer_makes_an_entry(
    asgi: httpx.Client, world: World, auditor: Person
) -> None:
    since = world.scalar("select clock_timestamp()").isoformat()
    world.person()
    world.person()
    answers = [lines(answer) for answer in exported(asgi, auditor, since=since, limit=1)]
    assert len(answers) == 2
    assert {item["action"] for items in answers for item in items} == {"session.opened"}


def test_an_api_key_may_read_and_is_named_in_the_entry_of_its_export(
    asgi: httpx.Client, world: World
) -> None:
    owner = world.account(roles=["admin"])
    key_id = new_id()
    key = new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes) "
        "values (:id, :owner, 'k', :digest, :scopes)",
        id=key_id,
        owner=owner.id,
        digest=key_digest(key),
        scopes=["audit:read"],
    )
    answer = asgi.get(
        EXPORT, params={"subject_id": str(owner.id)}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200
    [(actor, used)] = world.rows(
        "select actor_id, api_key_id from audit_log where api_key_id = :id", id=key_id
    )
    assert (actor, used) == (owner.id, key_id)


def test_a_head_request_has_no_body_and_is_in_the_log(asgi: httpx.Client, world: World) -> None:
    auditor = world.person(roles=["admin"])
    answer = asgi.head(EXPORT, headers=auditor.headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(listed(asgi, auditor, action="audit.exported", actor_id=auditor.id)) == 1
