"""Limits that hold across all processes: leaky buckets in Postgres, checked in one statement.

`dependencies=[limited(LOGIN_ADDRESS)]` counts by the client's address; `check_limits` counts by anything. A
process remembers who is over a limit and refuses them without a query until then.
"""

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from fastapi import Depends
from sqlalchemy import text
from sqlalchemy.orm import Session

from common import metrics
from common.client_address import address_block, address_site
from common.context import current_context
from common.database.transactions import AnyRow, after_commit, in_transaction
from common.encryption import keyed_digest
from common.errors import TooManyRequests, Unavailable
from common.settings import get_settings

_REMEMBERED: Final = 10_000
_SITE: Final = 32


@dataclass(frozen=True, slots=True)
class Limit:
    """`quota` requests at once, regained evenly over `seconds`.

    A limit that all clients share is kept in `shards` parts, so that they do not wait for one row.
    """

    name: str
    quota: int
    seconds: int
    shards: int = 1

    @property
    def policy(self) -> str:
        """The item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.quota};w={self.seconds}'


# One statement for all limits of a request, in the order of their digests so that two never deadlock.
# `spent` drains at quota/seconds; a refusal spends nothing. `refusals = 0` says: admitted.
_SPEND: Final = text("""
    insert into rate_limits as bucket (digest, spent, updated_at, expires_at, refusals)
    select digest, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => seconds), 0
    from unnest(cast(:digests as bytea[]), cast(:quotas as float8[]), cast(:seconds as float8[]))
        as wanted (digest, quota, seconds)
    order by digest
    on conflict (digest) do update set
        (spent, refusals) = (
            select
                case when level + 1 <= quota then level + 1 else level end,
                case when level + 1 <= quota then 0 else bucket.refusals + 1 end
            from (
                select
                    quota,
                    greatest(
                        0,
                        bucket.spent - quota / seconds
                            * extract(epoch from clock_timestamp() - bucket.updated_at)
                    ) as level
                from unnest(cast(:digests as bytea[]), cast(:quotas as float8[]), cast(:seconds as float8[]))
                    as wanted (digest, quota, seconds)
                where wanted.digest = bucket.digest
            ) as drained
        ),
        updated_at = clock_timestamp(),
        expires_at = excluded.expires_at
    returning digest, spent, refusals
""")


@dataclass(frozen=True, slots=True)
class GrowingDelay:
    """`free` attempts at once; after each further one the wait doubles, from `first` to `longest` seconds.

    An attempt counts before its outcome is known, so that many at once gain nothing; `forgive` forgets them
    after a success, and `forgotten` seconds of rest do the same.
    """

    name: str
    free: int = 5
    first: int = 1
    longest: int = 900
    forgotten: int = 86_400

    @property
    def policy(self) -> str:
        """The item of `RateLimit-Policy`."""
        return f'"{self.name}";q={self.free};w={self.longest}'


# A refused attempt does not count: the wait that was told is the wait that there is.
_ATTEMPT: Final = text("""
    with wanted as (
        select cast(:digest as bytea) as digest, cast(:free as float8) as free,
            cast(:first as float8) as first, cast(:longest as float8) as longest,
            make_interval(secs => :forgotten) as forgotten
    )
    insert into rate_limits as bucket (digest, spent, updated_at, expires_at, refusals)
    select digest, 1, clock_timestamp(), clock_timestamp() + forgotten, 0 from wanted
    on conflict (digest) do update set (spent, updated_at, expires_at, refusals) = (
        select
            case when waits then bucket.spent else counted + 1 end,
            case when waits then bucket.updated_at else clock_timestamp() end,
            clock_timestamp() + forgotten,
            case when waits then bucket.refusals + 1 else 0 end
        from (
            select forgotten, counted, clock_timestamp() < bucket.updated_at + make_interval(secs =>
                case when counted < free then 0 else least(longest, first * 2 ^ least(counted - free, 30)) end
            ) as waits
            from (
                select wanted.*, case when bucket.updated_at < clock_timestamp() - forgotten then 0
                    else bucket.spent end as counted from wanted
            ) as recent
        ) as judged
    )
    returning spent, refusals, extract(epoch from clock_timestamp() - updated_at) as age
""")

_FORGIVE: Final = text("delete from rate_limits where digest = :digest")

_refused_until: dict[bytes, float] = {}


def _digest(limit: Limit | GrowingDelay, subject: str) -> bytes:
    return keyed_digest("rate-limit", limit.name, subject)[:16]


def _everybody(limit: Limit) -> str:
    return f"everybody {random.randrange(limit.shards)}"  # noqa: S311 - spreads load, keeps no secret


def _refuse(limit: Limit | GrowingDelay, seconds: float) -> TooManyRequests:
    metrics.count(metrics.RATE_LIMITED, limit=limit.name)
    wait = max(1, math.ceil(seconds))
    headers = {"RateLimit-Policy": limit.policy, "RateLimit": f'"{limit.name}";r=0;t={wait}'}
    return TooManyRequests(f"Too many requests: try again in {wait} s.", retry_after=wait, headers=headers)


def _recall(wanted: Mapping[bytes, Limit | GrowingDelay]) -> None:
    """Refuse without a query who is known to be over a limit."""
    now = time.monotonic()
    for digest, limit in wanted.items():
        until = _refused_until.get(digest, 0)
        if until > now:
            raise _refuse(limit, until - now)


def _remember(digest: bytes, seconds: float) -> None:
    if len(_refused_until) >= _REMEMBERED:
        _refused_until.clear()
    _refused_until[digest] = time.monotonic() + seconds


def _share(limit: Limit) -> float:
    return max(1.0, limit.quota / limit.shards)


def _judge(wanted: dict[bytes, Limit], rows: Sequence[AnyRow]) -> None:
    headers = current_context().response_headers
    tightest = math.inf
    refusal: TooManyRequests | None = None
    for digest, spent, refusals in rows:
        limit = wanted[bytes(digest)]
        remaining = max(0, math.floor((_share(limit) - spent) * limit.shards))
        if refusals:
            seconds = (spent + 1 - _share(limit)) * limit.seconds / _share(limit)
            _remember(bytes(digest), seconds)
            refusal = _refuse(limit, seconds)
        elif remaining < tightest:
            tightest = remaining
            reset = math.ceil(spent * limit.seconds / _share(limit))
            headers["RateLimit-Policy"] = limit.policy
            headers["RateLimit"] = f'"{limit.name}";r={remaining};t={reset}'
    if refusal:
        raise refusal


def spend(session: Session, wanted: dict[bytes, Limit]) -> Sequence[AnyRow]:
    """Count one request against each bucket; gives digest, level and refusals of each."""
    parameters = {
        "digests": list(wanted),
        "quotas": [_share(limit) for limit in wanted.values()],
        "seconds": [float(limit.seconds) for limit in wanted.values()],
    }
    return session.execute(_SPEND, parameters).all()


def _attempt(session: Session, delay: GrowingDelay, digest: bytes) -> None:
    parameters = {
        "digest": digest,
        "free": float(delay.free),
        "first": float(delay.first),
        "longest": float(delay.longest),
        "forgotten": delay.forgotten,
    }
    spent, refusals, age = session.execute(_ATTEMPT, parameters).one()
    if refusals:
        wait = min(delay.longest, delay.first * 2 ** min(spent - delay.free, 30)) - float(age)
        _remember(digest, wait)
        refusal = _refuse(delay, wait)
        # The refusal itself is worth keeping: it counts in the metrics of the table.
        refusal.keep = True
        raise refusal


async def check_limits(
    *subjects: tuple[Limit, str], overall: Limit | None = None, delay: tuple[GrowingDelay, str] | None = None
) -> None:
    """Count this request against each limit and its subject, in a short transaction of its own.

    `overall` is the limit that all clients share. The tightest is told in the `RateLimit` headers. Raises
    TooManyRequests.
    """
    if not get_settings().rate_limits:
        return
    wanted = {_digest(limit, subject): limit for limit, subject in subjects}
    if overall is not None:
        wanted[_digest(overall, _everybody(overall))] = overall
    delays = {_digest(*delay): delay[0]} if delay is not None else {}
    _recall({**wanted, **delays})

    def count(session: Session) -> Sequence[AnyRow]:
        for digest, growing in delays.items():
            _attempt(session, growing, digest)
        return spend(session, wanted)

    _judge(wanted, await in_transaction(count))


def forgive(session: Session, limit: Limit | GrowingDelay, subject: str) -> None:
    """Forget the attempts of `subject` in the caller's transaction: the last one was a success."""
    if get_settings().rate_limits:
        digest = _digest(limit, subject)
        session.execute(_FORGIVE, {"digest": digest})
        after_commit(session, partial(_refused_until.pop, digest, 0.0))


async def is_over(limit: Limit, subject: str) -> bool:
    """Count this request, and tell only us whether it is over the limit: for what a client must not learn."""
    if not get_settings().rate_limits:
        return False
    digest = _digest(limit, subject)
    rows = await in_transaction(lambda session: spend(session, {digest: limit}))
    return any(refusals for _, _, refusals in rows)


def within(session: Session, limit: Limit, subject: str) -> bool:
    """Count one more in the caller's transaction, which is no request: whether it is within the limit."""
    if not get_settings().rate_limits:
        return True
    return not any(refusals for _, _, refusals in spend(session, {_digest(limit, subject): limit}))


def by_address(limit: Limit) -> list[tuple[Limit, str]]:
    """The client's address as a subject of `check_limits`: an IPv6 one by its /64, and by its /48 as well.

    A /48 is 65,536 of those. It may be one customer, or a carrier's many: it has the quota of _SITE of them.
    """
    address = current_context().client_address
    subjects = [(limit, address_block(address))]
    if site := address_site(address):
        wider = replace(limit, name=f"{limit.name}-site", quota=limit.quota * _SITE)
        subjects.append((wider, site))
    return subjects


def limited(limit: Limit, *, overall: Limit | None = None) -> Any:  # noqa: ANN401 - FastAPI's marker has no public type
    """`dependencies=[limited(LIMIT)]`: count by the client's address, as `by_address` has it.

    `overall` bounds what all clients together may do.
    """

    async def check() -> None:
        await check_limits(*by_address(limit), overall=overall)

    check.problems = (TooManyRequests, Unavailable)  # type: ignore[attr-defined]  # common.openapi reads it
    return Depends(check)
