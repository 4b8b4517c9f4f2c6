"""Limits that hold across all processes: leaky buckets in Postgres, checked in one statement.

`dependencies=[limited(LOGIN_ADDRESS)]` counts by the client's address; `check_limits` counts by anything. A
process remembers who is over a limit and refuses them without a query until then.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends
from sqlalchemy import text
from sqlalchemy.orm import Session

from common import metrics
from common.client_address import address_block
from common.context import current_context
from common.database.transactions import AnyRow, in_transaction
from common.encryption import keyed_digest
from common.errors import TooManyRequests
from common.settings import get_settings

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`quota` requests at once, regained evenly over `seconds`."""

    name: str
    quota: int
    seconds: int

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

_refused_until: dict[bytes, float] = {}


def _digest(limit: Limit, subject: str) -> bytes:
    return keyed_digest("rate-limit", limit.name, subject)[:16]


def _refuse(limit: Limit, seconds: float) -> TooManyRequests:
    metrics.count("lambkin_rate_limited_total", limit=limit.name)
    wait = max(1, math.ceil(seconds))
    headers = {"RateLimit-Policy": limit.policy, "RateLimit": f'"{limit.name}";r=0;t={wait}'}
    return TooManyRequests(f"Too many requests: try again in {wait} s.", retry_after=wait, headers=headers)


def _recall(wanted: dict[bytes, Limit]) -> None:
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


def _judge(wanted: dict[bytes, Limit], rows: Sequence[AnyRow]) -> None:
    headers = current_context().response_headers
    tightest = math.inf
    refusal: TooManyRequests | None = None
    for digest, spent, refusals in rows:
        limit = wanted[bytes(digest)]
        remaining = max(0, math.floor(limit.quota - spent))
        if refusals:
            seconds = (spent + 1 - limit.quota) * limit.seconds / limit.quota
            _remember(bytes(digest), seconds)
            refusal = _refuse(limit, seconds)
        elif remaining < tightest:
            tightest = remaining
            reset = math.ceil(spent * limit.seconds / limit.quota)
            headers["RateLimit-Policy"] = limit.policy
            headers["RateLimit"] = f'"{limit.name}";r={remaining};t={reset}'
    if refusal:
        raise refusal


def spend(session: Session, wanted: dict[bytes, Limit]) -> Sequence[AnyRow]:
    """Count one request against each bucket; gives digest, level and refusals of each."""
    parameters = {
        "digests": list(wanted),
        "quotas": [float(limit.quota) for limit in wanted.values()],
        "seconds": [float(limit.seconds) for limit in wanted.values()],
    }
    return session.execute(_SPEND, parameters).all()


async def check_limits(*subjects: tuple[Limit, str]) -> None:
    """Count this request against each limit and its subject, in a short transaction of its own.

    The tightest is told in the `RateLimit` headers. Raises TooManyRequests.
    """
    if not get_settings().rate_limits:
        return
    wanted = {_digest(limit, subject): limit for limit, subject in subjects}
    _recall(wanted)
    _judge(wanted, await in_transaction(lambda session: spend(session, wanted)))


async def is_over(limit: Limit, subject: str) -> bool:
    """Count this request, and tell only us whether it is over the limit: for what a client must not learn."""
    if not get_settings().rate_limits:
        return False
    digest = _digest(limit, subject)
    rows = await in_transaction(lambda session: spend(session, {digest: limit}))
    return any(refusals for _, _, refusals in rows)


def limited(limit: Limit) -> Any:  # noqa: ANN401 - FastAPI's marker has no public type
    """`dependencies=[limited(LIMIT)]`: count by the client's address, an IPv6 one by its /64."""

    async def check() -> None:
        await check_limits((limit, address_block(current_context().client_address)))

    return Depends(check)
