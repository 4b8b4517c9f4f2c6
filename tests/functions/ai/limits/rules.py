"""Quotas behind the functions' backs, and what was counted."""

from typing import Any, Final
from uuid import UUID, uuid4

from tests.support.world import World

MODEL: Final = "tiny:1b"


def limit(world: World, **of: Any) -> UUID:
    """A quota of this account, role, key or everybody."""
    made = uuid4()
    values = {"id": made, "role": None, "owner_id": None, "key_id": None, "model": None}
    values |= {"period": "day", "requests": None, "tokens": None} | of
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    world.run(f"insert into ai_quotas ({names}) values ({marks})", **values)
    return made


def used(world: World, owner_id: UUID) -> list[tuple[str, int, int, int]]:
    """What an account has used, by model: requests, tokens of prompts, tokens of answers."""
    rows = world.rows(
        "select model, requests, prompt_tokens, completion_tokens from ai_usage where owner_id = :id "
        "order by model",
        id=owner_id,
    )
    return [tuple(row) for row in rows]


def reserved(world: World, owner_id: UUID) -> int:
    """How many requests of an account are under way."""
    found: int = world.scalar("select count(*) from ai_reservations where owner_id = :id", id=owner_id)
    return found


def hold(world: World, owner_id: UUID, tokens: int) -> UUID:
    """A request that is under way elsewhere."""
    made = uuid4()
    world.run(
        "insert into ai_reservations (id, owner_id, model, day, tokens, held_until) values "
        "(:id, :owner, 'x:latest', (now() at time zone 'utc')::date, :tokens, now() + interval '1 hour')",
        id=made,
        owner=owner_id,
        tokens=tokens,
    )
    return made
