"""Lists of files: every filter, every order, page after page."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.files import make_file
from tests.support.world import Person, World

START = datetime(2026, 1, 1, tzinfo=UTC)


def pages(api: httpx.Client, person: Person, **query: Any) -> Iterator[list[dict[str, Any]]]:
    url: str | None = str(httpx.URL("/v1/files", params=query))
    while url:
        answer = api.get(url, headers=person.headers)
        assert answer.status_code == 200, answer.text
        yield answer.json()["items"]
        url = answer.links["next"]["url"] if answer.links else None
        assert bool(url) == (answer.json()["next_cursor"] is not None)


def names(api: httpx.Client, person: Person, **query: Any) -> list[str]:
    return [item["name"] for page in pages(api, person, **query) for item in page]


@pytest.fixture
def person(world: World) -> Person:
    return world.person()


@pytest.fixture
def collection(world: World, person: Person) -> dict[str, UUID]:
    """Files of every kind, a day apart, and one of somebody else's that every filter would fit."""
    kinds = {
        "beach.jpg": ("image/jpeg", 300, ["holidays", "sea"]),
        "Beach house.png": ("image/png", 200, ["holidays"]),
        "100%_sure.pdf": ("application/pdf", 100, []),
        "x.weird": ("imagexy/z", 400, ["HOLIDAYS"]),
    }
    made = {}
    for day, (name, (media_type, size, tags)) in enumerate(kinds.items()):
        values = {"media_type": media_type, "size": size, "tags": tags}
        moment = START + timedelta(days=day)
        made[name] = make_file(world, person.id, name=name, created_at=moment, **values)
    make_file(
        world,
        world.account().id,
        name="beach.jpg",
        media_type="image/jpeg",
        size=300,
        tags=["holidays", "sea"],
    )
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["x.weird", "100%_sure.pdf", "Beach house.png", "beach.jpg"]),
        ({"type": "image"}, ["Beach house.png", "beach.jpg"]),
        ({"type": "image/png"}, ["Beach house.png"]),
        ({"type": "image__"}, []),
        ({"type": "image/jp_g"}, []),
        ({"tag": "holidays"}, ["Beach house.png", "beach.jpg"]),
        ({"tag": "sea"}, ["beach.jpg"]),
        ({"size_min": 200, "size_max": 300}, ["Beach house.png", "beach.jpg"]),
        ({"created_after": "2026-01-02T00:00:00Z"}, ["x.weird", "100%_sure.pdf"]),
        ({"created_before": "2026-01-02T01:00:00+01:00"}, ["beach.jpg"]),
        ({"q": "BEACH"}, ["Beach house.png", "beach.jpg"]),
        ({"q": "each h"}, ["Beach house.png"]),
        ({"q": "00%_s"}, ["100%_sure.pdf"]),
        ({"q": "%%%"}, []),
        ({"q": "_____"}, []),
        ({"q": "\\\\\\"}, []),
        ({"type": "image", "tag": "holidays", "size_max": 250, "q": "beach"}, ["Beach house.png"]),
        ({"trashed": True}, []),
    ],
    ids=str,
)
def test_every_filter_gives_ones_own_that_it_fits(
    asgi: httpx.Client, person: Person, collection: dict[str, UUID], query: dict[str, Any], found: list[str]
) -> None:
    assert names(asgi, person, **query) == found


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name", "size", "-size"])
def test_every_order_is_kept_from_page_to_page_with_equals_among_them(
    asgi: httpx.Client, world: World, person: Person, sort: str
) -> None:
    for number in range(11):
        moment = START + timedelta(days=number // 3)
        make_file(world, person.id, name=f"{number % 4}", size=number % 5, created_at=moment)
    found = [item for page in pages(asgi, person, sort=sort, limit=2) for item in page]
    assert len({item["id"] for item in found}) == 11
    key = sort.removeprefix("-")
    ordered = sorted(found, key=lambda item: (item[key], item["id"]), reverse=sort.startswith("-"))
    assert found == ordered


@pytest.fixture
def hoard(world: World, person: Person) -> None:
    """12,200 files, the newest first in every order. The newest 2,100 have no tag; 8 old ones a rare one."""
    make_file(world, person.id, name="99999", size=99_999, created_at=START + timedelta(days=99_999 / 1440))
    world.run(
        "insert into files (id, owner_id, content_id, name, media_type, size, tags, created_at) "
        "select gen_random_uuid(), owner_id, content_id, to_char(n, 'FM00000'), media_type, n, "
        "cast(case when n > 10100 then '{}' when mod(n, 1262) = 0 then '{rare,old}' else '{old}' end as "
        "varchar[]), timestamptz '2026-01-01 00:00Z' + make_interval(mins => n) "
        "from files, generate_series(1, 12199) n where owner_id = :owner",
        owner=person.id,
    )


@pytest.mark.usefixtures("hoard")
def test_what_is_rare_and_what_begins_far_down_the_list_is_found_in_its_order(
    asgi: httpx.Client, person: Person
) -> None:
    rare = [f"{1262 * number:05}" for number in range(8, 0, -1)]
    for sort in ("-created_at", "-name", "-size"):
        assert names(asgi, person, tag="rare", sort=sort, limit=3) == rare
        assert names(asgi, person, tag="rare", size_max=5000, sort=sort, limit=8) == rare[-3:]
        old = pages(asgi, person, tag="old", sort=sort, limit=2)
        assert [item["name"] for _ in range(2) for item in next(old)] == ["10100", "10099", "10098", "10097"]
        assert names(asgi, person, tag="none", sort=sort) == []


class TestTrash:
    def test_it_shows_what_was_thrown_away_last_first(
        self, asgi: httpx.Client, world: World, person: Person
    ) -> None:
        for number in range(5):
            moment = START + timedelta(days=number * 7 % 5)
            make_file(world, person.id, name=f"{number * 7 % 5}", trashed_at=moment)
        make_file(world, person.id, name="kept")
        assert names(asgi, person, trashed=True, limit=2) == ["4", "3", "2", "1", "0"]
        assert names(asgi, person, trashed=True, sort="trashed_at") == ["0", "1", "2", "3", "4"]
        assert names(asgi, person) == ["kept"]

    @pytest.mark.parametrize("query", [{"trashed": True, "sort": "name"}, {"sort": "trashed_at"}])
    def test_each_list_has_its_own_orders(
        self, asgi: httpx.Client, person: Person, query: dict[str, Any]
    ) -> None:
        refused = asgi.get("/v1/files", params=query, headers=person.headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
        assert "trashed_at" in refused.text


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "description"},
        {"type": "%"},
        {"type": "image/"},
        {"q": "ab"},
        {"q": "a\x00bc"},
        {"tag": " x"},
        {"size_min": -1},
        {"size_max": 2**63},
        {"created_after": "yesterday"},
        {"created_after": "2026-01-01T00:00:00"},
        {"limit": 101},
    ],
    ids=str,
)
def test_what_is_no_filter_is_refused(asgi: httpx.Client, person: Person, query: dict[str, Any]) -> None:
    assert asgi.get("/v1/files", params=query, headers=person.headers).status_code == 422


def test_a_cursor_is_of_its_list_alone(asgi: httpx.Client, world: World, person: Person) -> None:
    for _ in range(3):
        make_file(world, person.id)
    first = asgi.get("/v1/files", params={"limit": 1}, headers=person.headers).json()
    others: list[dict[str, Any]] = [{"sort": "name"}, {"q": "sonnet"}, {"trashed": True}, {"type": "text"}]
    for query in others:
        answer = asgi.get(
            "/v1/files", params=query | {"cursor": first["next_cursor"]}, headers=person.headers
        )
        assert answer.json()["code"] == "broken_cursor"
    theirs = asgi.get("/v1/files", params={"cursor": first["next_cursor"]}, headers=world.person().headers)
    assert theirs.json()["code"] == "broken_cursor"


def test_a_page_takes_one_statement_however_long_it_is(
    asgi: httpx.Client, world: World, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        make_file(world, person.id, width=number + 1, height=1)
    counts = set()
    for limit in (1, 25):
        capsys.readouterr()
        assert len(next(pages(asgi, person, limit=limit))) == limit
        [line] = [each for each in capsys.readouterr().out.splitlines() if '"request"' in each]
        counts.add(_statements(line))
    assert counts == {1}


def _statements(line: str) -> int:
    return int(json.loads(line)["statements"])
