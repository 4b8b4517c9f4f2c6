"""Requests that are under way, what each may cost, and what it did cost: the only writes on both tables.

A request is in `ai_reservations` or in `ai_usage`, and goes from the one to the other in one statement:
whoever sums both up in one statement counts it once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, text
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import AiReservation

NO_KEY: Final = UUID(int=0)
"""Who asks without an API key."""
LEASE_SECONDS: Final = 60.0
"""How long a process is believed to live without a word of it."""

_HOLD: Final = text("select pg_advisory_xact_lock(hashtextextended('ai ' || cast(:owner_id as text), 0))")

# It begins as a select, for those who may only read. One snapshot for all of it: a request that is being
# settled at this moment is found once.
_STANDING: Final = text("""
    select standing.* from (
        with moment as (
            select cast(now() at time zone 'utc' as date) as today,
                cast(date_trunc('month', now() at time zone 'utc') as date) as month
        ), caller as (
            select coalesce((select users.roles from users where users.id = :owner_id), '{}') as roles
        ), spent as materialized (
            select model, key_id, day, requests, prompt_tokens + completion_tokens as tokens
            from ai_usage where owner_id = :owner_id and day >= (select month from moment)
            union all
            select model, key_id, day, 1, tokens from ai_reservations where owner_id = :owner_id
        ), rules as (
            select ai_quotas.* from ai_quotas where owner_id = :owner_id
            union all
            select ai_quotas.* from ai_quotas where key_id = :key_id
            union all
            select ai_quotas.* from ai_quotas, caller
            where owner_id is null and key_id is null and (role is null or role = any(caller.roles))
        )
        select moment.today, model_settings.name is null or model_settings.roles is null
                or model_settings.roles && caller.roles as allowed,
            model_settings.num_ctx,
            (
                select count(*) from ai_reservations where owner_id = :owner_id and held_until > now()
            ) as running,
            rules.id, rules.role, rules.owner_id, rules.key_id, rules.model, rules.period, rules.requests,
            rules.tokens, coalesce(used.requests, 0) as used_requests, coalesce(used.tokens, 0) as used_tokens
        from moment cross join caller
        left join ai_models as model_settings on model_settings.name = cast(:model as text)
        left join rules on cast(:model as text) is null or rules.model is null or rules.model = :model
        left join lateral (
            select sum(spent.requests) as requests, sum(spent.tokens) as tokens from spent
            where (rules.model is null or spent.model = rules.model)
                and (rules.key_id is null or spent.key_id = rules.key_id)
                and spent.day >= case rules.period when 'day' then moment.today else moment.month end
        ) as used on true
    ) as standing order by model nulls first, period, id
""")

_RESERVE: Final = text("""
    insert into ai_reservations (id, owner_id, key_id, model, day, tokens, prompt_tokens, held_until)
    values (:id, :owner_id, :key_id, :model, :day, :tokens, :prompt_tokens,
        now() + make_interval(secs => :lease))
""")

_KEEP: Final = text("""
    update ai_reservations set held_until = now() + make_interval(secs => :lease),
        prompt_tokens = told.prompt_tokens, completion_tokens = told.completion_tokens
    from unnest(cast(:ids as uuid[]), cast(:prompts as bigint[]), cast(:completions as bigint[]))
        as told (id, prompt_tokens, completion_tokens)
    where ai_reservations.id = told.id
""")

_SUM_UP: Final = """
    on conflict (owner_id, day, model, key_id) do update set
        requests = ai_usage.requests + excluded.requests,
        prompt_tokens = ai_usage.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = ai_usage.completion_tokens + excluded.completion_tokens
    returning ai_usage.requests
"""
_INTO_USAGE: Final = """
    insert into ai_usage (owner_id, day, model, key_id, requests, prompt_tokens, completion_tokens)
"""
_COUNT: Final = f"""{_INTO_USAGE}
    select owner_id, day, model, key_id, count(*), sum(prompt_tokens), sum(completion_tokens) from ended
    group by owner_id, day, model, key_id order by owner_id, day, model, key_id
    {_SUM_UP}
"""  # noqa: S608 - constants of ours
# Nothing of somebody whose account is being erased: that may have been here already.
_COUNT_TOKENS: Final = text(f"""{_INTO_USAGE}
    select id, cast(now() at time zone 'utc' as date), :model, cast(:key_id as uuid), 0,
        cast(:prompt_tokens as bigint), cast(:completion_tokens as bigint)
    from users where id = :owner_id and state not in ('deleting', 'deleted')
    {_SUM_UP}
""")  # noqa: S608 - constants of ours

_SETTLE: Final = text(f"""
    with ended as (
        delete from ai_reservations where id = :id
        returning owner_id, day, model, key_id, cast(:prompt_tokens as bigint) as prompt_tokens,
            cast(:completion_tokens as bigint) as completion_tokens
    )
    {_COUNT}
""")  # noqa: S608 - constants of ours

# What a conversation was saying is stored: who looks after those knows better what it cost, and has a while.
_SETTLE_EXPIRED: Final = text(f"""
    with expired as (
        select id from ai_reservations
        where held_until < now() and (held_until < now() - interval '10 minutes' or not exists (
            select from generations where generations.reservation_id = ai_reservations.id and ended_at is null
        ))
        limit :limit for update skip locked
    ), ended as (
        delete from ai_reservations using expired where ai_reservations.id = expired.id
        returning owner_id, day, model, key_id, prompt_tokens, completion_tokens
    ), counted as ({_COUNT})
    select count(*) from ended
""")  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set aside for a request: `tokens` in all, of which `prompt_tokens` are what it sends."""

    id: UUID
    owner_id: UUID
    key_id: UUID | None
    model: str
    day: date
    tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a request cost so far."""

    id: UUID
    prompt_tokens: int
    completion_tokens: int


def hold_owner(session: Session, owner_id: UUID) -> None:
    """Nobody else reserves anything for this account until the transaction ends."""
    session.execute(_HOLD, {"owner_id": str(owner_id)})


def standing(
    database: Session | Connection, owner_id: UUID, key_id: UUID | None, model: str | None
) -> list[AnyRow]:
    """How an account stands: a row for each quota that may concern it, or one with a null `id`.

    Each row has `today` (UTC), `running` (its requests under way), whether the `model` is `allowed`, and its
    `num_ctx`; with no model, the quotas of all. `used_…` has what is settled and what is reserved.
    """
    values = {"owner_id": owner_id, "key_id": key_id, "model": model}
    return list(database.execute(_STANDING, values).all())


def reserve(session: Session, wanted: Reservation) -> None:
    """Set it aside, for LEASE_SECONDS and as long as `keep` is called."""
    values: dict[str, Any] = {
        "id": wanted.id,
        "owner_id": wanted.owner_id,
        "key_id": wanted.key_id or NO_KEY,
        "model": wanted.model,
        "day": wanted.day,
        "tokens": wanted.tokens,
        "prompt_tokens": wanted.prompt_tokens,
        "lease": LEASE_SECONDS,
    }
    session.execute(_RESERVE, values)


def keep(session: Session, told: Collection[Told]) -> None:
    """Say of all these that their process lives, and what they cost so far."""
    values = {
        "ids": [str(each.id) for each in told],
        "prompts": [each.prompt_tokens for each in told],
        "completions": [each.completion_tokens for each in told],
        "lease": LEASE_SECONDS,
    }
    session.execute(_KEEP, values)


def settle(session: Session, reservation_id: UUID, prompt_tokens: int, completion_tokens: int) -> bool:
    """Count a request with what it did cost; False, and nothing is counted, where it is settled already."""
    values = {
        "id": reservation_id,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }
    return session.execute(_SETTLE, values).first() is not None


def count_tokens(
    session: Session, owner_id: UUID, model: str, prompt_tokens: int, completion_tokens: int
) -> None:
    """Count tokens that were used for an account without a request of its own."""
    values = {
        "owner_id": owner_id,
        "model": model,
        "key_id": NO_KEY,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }
    session.execute(_COUNT_TOKENS, values)


def settle_lost(session: Session, reservation_id: UUID, prompt_tokens: int, completion_tokens: int) -> bool:
    """The same for a request whose process is gone, by who knows what it had produced."""
    return settle(session, reservation_id, prompt_tokens, completion_tokens)


def settle_expired(session: Session, limit: int) -> int:
    """Count requests whose processes are gone, with what those had told; how many."""
    return int(session.execute(_SETTLE_EXPIRED, {"limit": limit}).scalar_one())


def release(session: Session, reservation_id: UUID) -> None:
    """Forget a request that no model was asked for."""
    session.execute(delete(AiReservation).where(AiReservation.id == reservation_id))


def delete_old_usage(session: Session, before: date, limit: int) -> int:
    """Delete some of what was used before a day; how many rows."""
    some = text(
        "delete from ai_usage where ctid = any(array("
        "select ctid from ai_usage where day < :before limit :limit)) returning 1"
    )
    return len(session.execute(some, {"before": before, "limit": limit}).all())
