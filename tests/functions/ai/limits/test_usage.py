"""Who used how much, and what is left."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from functions.ai.jobs import forget_usage
from tests.functions.ai.limits.rules import limit
from tests.support.api_keys import mint
from tests.support.world import World

USAGE = "/v1/ai/usage"


def use(world: World, owner_id: UUID, day: str, model: str = "a:1b", **numbers: int) -> None:
    values: dict[str, Any] = {"requests": 1, "prompt_tokens": 10, "completion_tokens": 5} | numbers
    world.run(
        "insert into ai_usage (owner_id, day, model, requests, prompt_tokens, completion_tokens) "
        "values (:id, cast(:day as date), :model, :requests, :prompt_tokens, :completion_tokens)",
        id=owner_id,
        day=day,
        model=model,
        **values,
    )


def test_usage_is_summed_by_day_and_by_model(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    for day, model in (("2026-03-01", "a:1b"), ("2026-03-01", "b:1b"), ("2026-03-02", "a:1b")):
        use(world, person.id, day, model)
    days = {"from": "2026-03-01", "to": "2026-03-31"}
    by_day = asgi.get(USAGE, params=days, headers=person.headers).json()
    assert [(each["day"], each["requests"], each["total_tokens"]) for each in by_day["items"]] == [
        ("2026-03-02", 1, 15),
        ("2026-03-01", 2, 30),
    ]
    by_model = asgi.get(USAGE, params=days | {"by": "model"}, headers=person.headers).json()
    assert [(each["model"], each["prompt_tokens"]) for each in by_model["items"]] == [
        ("a:1b", 20),
        ("b:1b", 10),
    ]
    by_user = asgi.get(USAGE, params=days | {"by": "user"}, headers=person.headers).json()
    assert [(each["user_id"], each["requests"]) for each in by_user["items"]] == [(str(person.id), 3)]


def test_usage_comes_in_pages(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    for number in range(1, 6):
        use(world, person.id, f"2026-03-0{number}")
    query = {"from": "2026-03-01", "to": "2026-03-31", "limit": "2"}
    found = []
    while True:
        page = asgi.get(USAGE, params=query, headers=person.headers).json()
        found += [each["day"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [f"2026-03-0{number}" for number in range(5, 0, -1)]


def test_what_is_left_counts_what_is_under_way(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    limit(world, owner_id=person.id, tokens=1000, period="month")
    today = str(world.scalar("select (now() at time zone 'utc')::date"))
    use(world, person.id, today, requests=2)
    world.run(
        "insert into ai_reservations (id, owner_id, model, day, tokens, held_until) values "
        "(gen_random_uuid(), :id, 'a:1b', cast(:day as date), 100, now() + interval '1 minute')",
        id=person.id,
        day=today,
    )
    told = asgi.get(USAGE, headers=person.headers).json()
    world.run("delete from ai_reservations where owner_id = :id", id=person.id)
    assert told["reserved"] == {"requests": 1, "tokens": 100}
    (quota,) = (each for each in told["quotas"] if each["of"] == "account")
    assert (quota["model"], quota["period"]) == (None, "month")
    assert quota["tokens"] == {"limit": 1000, "used": 115, "left": 885}
    assert quota["requests"] == {"limit": None, "used": 3, "left": None}
    assert quota["ends_at"].endswith("-01T00:00:00Z")


def test_a_quota_of_a_hidden_model_does_not_name_it(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run("insert into ai_models (name, roles) values ('hidden:1b', '{}')")
    limit(world, model="hidden:1b", requests=3, period="day")
    try:
        told = asgi.get(USAGE, headers=person.headers).text
    finally:
        world.run("delete from ai_models where name = 'hidden:1b'")
        world.run("delete from ai_quotas where model = 'hidden:1b'")
    assert "hidden" not in told


def test_others_usage_is_for_administrators(asgi: httpx.Client, world: World) -> None:
    person, other, admin = world.person(), world.person(), world.person(roles=["admin"])
    days = {"from": "2026-04-01", "to": "2026-04-02"}
    use(world, person.id, "2026-04-01")
    use(world, other.id, "2026-04-01", requests=7)
    for params in ({"user_id": str(other.id)}, {"everybody": "true"}):
        refused = asgi.get(USAGE, params=days | params, headers=person.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    one = asgi.get(USAGE, params=days | {"user_id": str(other.id)}, headers=admin.headers).json()
    assert [each["requests"] for each in one["items"]] == [7]
    params = days | {"everybody": "true", "by": "user"}
    everybody = asgi.get(USAGE, params=params, headers=admin.headers).json()
    assert {each["user_id"]: each["requests"] for each in everybody["items"]} == {
        str(person.id): 1,
        str(other.id): 7,
    }
    world.run("update users set roles = '{member}' where id = :id", id=admin.id)
    assert asgi.get(USAGE, params=params, headers=admin.headers).status_code == 403
    key = mint(world, person.id, "ai:use")
    assert asgi.get(USAGE, params=days, headers=key.headers).is_success


@pytest.mark.parametrize(
    ("first", "last"), [("2026-02-01", "2026-01-01"), ("2024-01-01", "2026-01-01"), ("1795335330", "x")]
)
def test_days_that_are_none_or_too_many_are_refused(
    asgi: httpx.Client, world: World, first: str, last: str
) -> None:
    answer = asgi.get(USAGE, params={"from": first, "to": last}, headers=world.person().headers)
    assert answer.status_code == 422


def test_usage_is_forgotten_after_four_hundred_days(world: World) -> None:
    person = world.person()
    today = date.fromisoformat(str(world.scalar("select (now() at time zone 'utc')::date")))
    for days in (400, 401):
        use(world, person.id, str(today - timedelta(days=days)))
    forget_usage()
    kept = world.rows("select day from ai_usage where owner_id = :id", id=person.id)
    assert [row.day for row in kept] == [today - timedelta(days=400)]


def test_a_quota_goes_with_its_key(world: World) -> None:
    key = mint(world, world.account().id, "ai:use")
    kept, gone = limit(world, key_id=key.id), limit(world, key_id=uuid4())
    forget_usage()
    found = world.rows("select id from ai_quotas where id in (:kept, :gone)", kept=kept, gone=gone)
    assert [row.id for row in found] == [kept]
