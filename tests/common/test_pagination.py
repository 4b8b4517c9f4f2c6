"""Lists: every item once, in order, bounded; a cursor that was touched is refused."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Query
from sqlalchemy import select

from common.app import create_app
from common.database import Db
from common.models import User
from common.pagination import Page, PageQuery, paginate, parse_sort
from common.routing import Router
from common.schemas import ResponseModel
from tests.support.transports import AsgiTransport
from tests.support.world import World

router = Router(prefix="/v1/users", tags=["users"])


class Item(ResponseModel):
    id: UUID
    name: str


@router.get("/list")
def list_users(db: Db, page: PageQuery, name: str, sort: Annotated[str, Query()] = "name") -> Page[Item]:
    keys = parse_sort(sort, {"name": User.name, "created_at": User.created_at}, User.id)
    statement = select(User).where(User.locale == name)
    rows, cursor = paginate(db, statement, keys, page, context=name)
    return Page(items=[Item.model_validate(row) for row in rows], next_cursor=cursor)


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[httpx.Client]:
    for number in range(25):
        user = world.account(name=f"name {number % 4}")
        world.run("update users set locale = 'x-list' where id = :id", id=user.id)
    app = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client:
        yield client


def pages(api: httpx.Client, **parameters: Any) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        query = {"name": "x-list", **parameters} | ({"cursor": cursor} if cursor else {})
        answer = api.get("/v1/users/list", params=query)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
@pytest.mark.parametrize("limit", [1, 7, 25, 100])
def test_every_item_comes_once_and_in_order(api: httpx.Client, sort: str, limit: int) -> None:
    items = [item for page in pages(api, sort=sort, limit=limit) for item in page["items"]]
    assert len({item["id"] for item in items}) == len(items) == 25
    if sort.endswith("name"):
        names = [item["name"] for item in items]
        assert names == sorted(names, reverse=sort.startswith("-"))


def test_the_next_page_is_linked(api: httpx.Client) -> None:
    first = api.get("/v1/users/list", params={"name": "x-list", "limit": 5})
    assert first.links["next"]["url"].startswith("/v1/users/list?")
    second = api.get(first.links["next"]["url"])
    assert second.status_code == 200
    assert {item["id"] for item in first.json()["items"]}.isdisjoint(
        item["id"] for item in second.json()["items"]
    )


@pytest.mark.parametrize("limit", ["0", "-1", "101", "many", ""])
def test_a_limit_out_of_bounds_is_422(api: httpx.Client, limit: str) -> None:
    assert api.get("/v1/users/list", params={"name": "x-list", "limit": limit}).status_code == 422


def broken(cursor: str) -> dict[str, str]:
    return {
        "altered": ("A" if cursor[0] != "A" else "B") + cursor[1:],
        "cut off": cursor[:-5],
        "nonsense": "nonsense",
        "not base64": "ü€*",
        "empty": "",
        "only a tag": cursor[:22],
        "long": cursor + "A" * 4000,
    }


@pytest.mark.parametrize("how", broken("AAAAAA"))
def test_a_broken_cursor_is_4xx(api: httpx.Client, how: str) -> None:
    cursor = next(pages(api, limit=5))["next_cursor"]
    answer = api.get("/v1/users/list", params={"name": "x-list", "limit": 5, "cursor": broken(cursor)[how]})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("change", [{"name": "another"}, {"sort": "-name"}])
def test_a_cursor_works_in_its_own_list_only(api: httpx.Client, change: dict[str, str]) -> None:
    cursor = next(pages(api, limit=5))["next_cursor"]
    answer = api.get("/v1/users/list", params={"name": "x-list", "limit": 5, "cursor": cursor} | change)
    assert (answer.status_code, answer.json()["code"]) == (400, "broken_cursor")


def test_a_sort_that_is_not_offered_is_400(api: httpx.Client) -> None:
    assert api.get("/v1/users/list", params={"name": "x", "sort": "password"}).status_code == 400
