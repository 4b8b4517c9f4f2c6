import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.functions.users.calls import role
from tests.support.world import Person, World


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def pages(api: httpx.Client, actor: Person, **query: Any) -> Iterator[list[dict[str, Any]]]:
    url: str | None = str(httpx.URL("/v1/users", params=query))
    while url:
        answer = api.get(url, headers=actor.headers)
        assert answer.status_code == 200, answer.text
        yield answer.json()["items"]
        url = answer.links["next"]["url"] if answer.links else None
        assert bool(url) == (answer.json()["next_cursor"] is not None)


def ids(api: httpx.Client, actor: Person, **query: Any) -> list[str]:
    return [item["id"] for page in pages(api, actor, **query) for item in page]


def test_an_item_tells_what_administrators_need_and_nothing_secret(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    user = world.account(name="Ada")
    world.run("update users set state = 'disabled', disabled_reason = 'Left.' where id = :id", id=user.id)
    ((item,),) = pages(asgi, admin, email=user.email)
    assert item | {"created_at": 0, "updated_at": 0} == {
        "id": str(user.id),
        "email": user.email,
        "email_verified": True,
        "name": "Ada",
        "locale": "en",
        "roles": ["member"],
        "state": "disabled",
        "disabled_reason": "Left.",
        "password_reset_required": False,
        "erase_at": None,
        "created_at": 0,
        "updated_at": 0,
    }


def test_an_address_is_found_however_it_is_spelled(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account(email=f"{uuid4().hex}@xn--bcher-kva.example")
    for spelled in (user.email, user.email.upper(), user.email.replace("xn--bcher-kva", "bücher")):
        assert ids(asgi, admin, email=spelled) == [str(user.id)]
    assert ids(asgi, admin, email=user.email[1:]) == []


def test_a_role_a_state_and_a_time_are_filters_that_hold_together(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    support = role(world)
    old, disabled, new = (world.account(roles=["member", support]) for _ in range(3))
    world.account()
    world.run("update users set created_at = created_at - interval '3 days' where id = :id", id=old.id)
    world.run("update users set state = 'disabled' where id = :id", id=disabled.id)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert set(ids(asgi, admin, role=support)) == {str(each.id) for each in (old, disabled, new)}
    assert ids(asgi, admin, role=support, created_before=yesterday) == [str(old.id)]
    assert set(ids(asgi, admin, role=support, created_after=yesterday)) == {str(disabled.id), str(new.id)}
    assert ids(asgi, admin, role=support, state="disabled") == [str(disabled.id)]
    assert ids(asgi, admin, role=support, state="active", created_after=yesterday) == [str(new.id)]
    assert ids(asgi, admin, role=support, state="invited") == []


def test_a_time_is_a_border_that_is_in_neither_side(asgi: httpx.Client, world: World, admin: Person) -> None:
    user = world.account()
    at = next(pages(asgi, admin, email=user.email))[0]["created_at"]
    assert ids(asgi, admin, email=user.email, created_after=at) == []
    assert ids(asgi, admin, email=user.email, created_before=at) == []


def test_a_search_looks_into_address_and_name_in_whatever_case(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    word = uuid4().hex[:10]
    by_name = world.account(name=f"Zoë x{word.upper()}Y")
    by_address = world.account(email=f"a.{word}-b@lambkin.example")
    assert set(ids(asgi, admin, q=word)) == {str(by_name.id), str(by_address.id)}
    assert ids(asgi, admin, q=f"ZOË X{word}") == [str(by_name.id)]
    assert ids(asgi, admin, q=f"{word}-B@lamb") == [str(by_address.id)]
    assert ids(asgi, admin, q=f"{word}z") == []


@pytest.mark.parametrize("wildcard", ["%", "_", "\\"])
def test_a_wildcard_stands_for_itself(asgi: httpx.Client, world: World, admin: Person, wildcard: str) -> None:
    word = uuid4().hex[:10]
    meant = world.account(name=f"{word}{wildcard}end")
    world.account(name=f"{word}-end")
    assert ids(asgi, admin, q=f"{word}{wildcard}e") == [str(meant.id)]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "email", "-email", "name", "-name"])
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_every_order_gives_every_account_once(
    asgi: httpx.Client, world: World, admin: Person, sort: str, limit: int
) -> None:
    named = role(world)
    for number in range(9):
        world.account(roles=[named], name=f"name {number % 3}")
    found = [item for page in pages(asgi, admin, role=named, sort=sort, limit=limit) for item in page]
    assert len({item["id"] for item in found}) == len(found) == 9
    values = [item[sort.removeprefix("-")] for item in found]
    assert values == sorted(values, reverse=sort.startswith("-"))


def test_the_newest_account_comes_first(asgi: httpx.Client, world: World, admin: Person) -> None:
    newest = world.account()
    assert next(pages(asgi, admin, limit=1))[0]["id"] == str(newest.id)


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "name;drop"},
        {"sort": "roles"},
        {"sort": "--name"},
        {"sort": ""},
        {"q": "%%%"},
        {"q": "ab"},
        {"q": "a--"},
        {"q": "😀😀😀"},
        {"q": "ab\x00c"},
        {"q": "x" * 10_000},
        {"email": "nobody"},
        {"email": "a" * 10_000 + "@lambkin.example"},
        {"role": "Admin"},
        {"role": "admin' or true--"},
        {"state": "unknown"},
        {"created_after": "yesterday"},
        {"created_after": "2026-01-01T00:00:00"},
        {"created_after": "0001-01-01T00:00:00+23:59"},
        {"created_before": "9999-12-31T23:59:59-23:59"},
        {"limit": "0"},
        {"limit": "101"},
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    asgi: httpx.Client, admin: Person, query: dict[str, str]
) -> None:
    answer = asgi.get("/v1/users", params=query, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"#/query/{name}" for name in query]


@pytest.mark.parametrize(
    "query",
    [
        {"q": "ada 😀"},
        {"q": "'; drop table users; --"},
        {"q": "Игорь"},
        {"created_after": "0001-01-01T00:00:00Z"},
        {"created_before": "9999-12-31T23:59:59Z"},
        {"unknown": "1"},
    ],
)
def test_what_is_odd_but_makes_sense_is_answered(
    asgi: httpx.Client, admin: Person, query: dict[str, str]
) -> None:
    assert asgi.get("/v1/users", params=query, headers=admin.headers).status_code == 200


@pytest.mark.parametrize(
    "other", [{"sort": "email"}, {"role": "admin"}, {"q": "lambkin"}, {"state": "active"}]
)
def test_a_cursor_works_under_its_own_filters_only(
    asgi: httpx.Client, world: World, admin: Person, other: dict[str, str]
) -> None:
    world.account()
    cursor = asgi.get("/v1/users?limit=1", headers=admin.headers).json()["next_cursor"]
    for query, status in (({}, 200), (other, 400)):
        answer = asgi.get("/v1/users", params=query | {"cursor": cursor}, headers=admin.headers)
        assert answer.status_code == status
    assert answer.json()["code"] == "broken_cursor"
    roles = asgi.get("/v1/users/roles", params={"cursor": cursor}, headers=admin.headers)
    assert (roles.status_code, roles.json()["code"]) == (400, "broken_cursor")


def test_a_list_takes_as_many_statements_for_100_accounts_as_for_one(
    asgi: httpx.Client, world: World, admin: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    named = role(world)
    for _ in range(100):
        world.account(roles=[named])
    counted = []
    for limit in (1, 100):
        asgi.get("/v1/users", params={"limit": limit}, headers=admin.headers)
        capsys.readouterr()
        answer = asgi.get("/v1/users", params={"limit": limit, "role": named}, headers=admin.headers)
        assert len(answer.json()["items"]) == limit
        counted.append(json.loads(capsys.readouterr().out.splitlines()[-1])["statements"])
    # The look at the session, and the list.
    assert counted == [2, 2]


def test_an_account_has_an_etag_and_an_unchanged_one_is_304(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path = f"/v1/users/{world.account().id}"
    first = asgi.get(path, headers=admin.headers)
    assert first.json() in asgi.get("/v1/users", headers=admin.headers).json()["items"]
    again = asgi.get(path, headers=admin.headers | {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("PUT", "/roles"),
        ("POST", "/sign-out"),
        ("POST", "/password-reset"),
    ],
)
def test_a_member_is_refused_alike_whether_or_not_there_is_such_an_account(
    asgi: httpx.Client, world: World, admin: Person, method: str, path: str
) -> None:
    member = world.person()
    answers = [
        asgi.request(
            method,
            f"/v1/users/{user_id}{path}",
            headers=member.headers | {"If-Match": "*"},
            json=None if method in ("GET", "POST") else {},
        )
        for user_id in (admin.id, member.id, uuid4())
    ]
    told = [answer.json() | {"instance": "", "request_id": ""} for answer in answers]
    assert {answer.status_code for answer in answers} == {403}
    assert told[0] == told[1] == told[2]
    assert len({frozenset(answer.headers) for answer in answers}) == 1


@pytest.mark.parametrize("path", ["not-an-id", "0", "roles/x/y", "..%2fme"])
def test_what_is_no_id_is_no_path(asgi: httpx.Client, admin: Person, path: str) -> None:
    assert asgi.get(f"/v1/users/{path}", headers=admin.headers).status_code == 404
