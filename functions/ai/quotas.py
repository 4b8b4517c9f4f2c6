"""Which quotas concern a request, and whether it is within them.

For each period, of one model or of all, the most specific rule applies: the account's own, or the most
generous of its roles', or everybody's. A rule of the API key that asks applies besides.
"""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal

from common.context import current_context
from common.errors import TooManyRequests

type Period = Literal["day", "month"]
type Unit = Literal["requests", "tokens"]

_OF_WHOM: Final = ("account", "role", "everybody")


class QuotaExceeded(TooManyRequests):
    """A quota has no room for this."""

    code = "quota_exceeded"
    detail = "Your quota is used up: it starts anew with the next day or month (UTC)."


@dataclass(frozen=True, slots=True)
class Standing:
    """One quota that applies, and how much of it is used: settled or reserved. No limit is null.

    `of` is whose it is: "account", "role", "everybody" or "key". `model` is null where it is of all.
    """

    of: str
    model: str | None
    period: Period
    requests: int | None
    tokens: int | None
    used_requests: int
    used_tokens: int
    today: date

    def left(self, unit: Unit) -> int | None:
        """How much is left; none is less than nothing. Null where there is no limit."""
        limit = self.limit(unit)
        return None if limit is None else max(0, limit - self.used(unit))

    def limit(self, unit: Unit) -> int | None:
        """The most there may be."""
        return self.requests if unit == "requests" else self.tokens

    def used(self, unit: Unit) -> int:
        """How much is used."""
        return self.used_requests if unit == "requests" else self.used_tokens

    @property
    def ends_at(self) -> datetime:
        """When its period ends, and another begins."""
        last = self.today
        if self.period == "month":
            last = last.replace(day=calendar.monthrange(last.year, last.month)[1])
        return datetime.combine(last + timedelta(days=1), time(), UTC)


def applying(rows: Sequence[Any]) -> list[Standing]:
    """The quotas that apply, of rows of `reservations.standing`."""
    found: dict[tuple[bool, str | None, str], list[tuple[int, Standing]]] = {}
    for row in rows:
        if row.id is not None:
            rank, standing = _standing(row)
            found.setdefault((row.key_id is not None, row.model, row.period), []).append((rank, standing))
    return [_most_generous(candidates) for candidates in found.values()]


def _standing(row: Any) -> tuple[int, Standing]:  # noqa: ANN401 - a row of `standing`
    rank = 0 if row.owner_id is not None else 1 if row.role is not None else 2
    return rank, Standing(
        "key" if row.key_id is not None else _OF_WHOM[rank],
        row.model,
        row.period,
        row.requests,
        row.tokens,
        int(row.used_requests),
        int(row.used_tokens),
        row.today,
    )


def _most_generous(candidates: Iterable[tuple[int, Standing]]) -> Standing:
    ranked = sorted(candidates, key=lambda each: each[0])
    best = [standing for rank, standing in ranked if rank == ranked[0][0]]
    first = best[0]
    return Standing(
        first.of,
        first.model,
        first.period,
        _most([each.requests for each in best]),
        _most([each.tokens for each in best]),
        first.used_requests,
        first.used_tokens,
        first.today,
    )


def _most(limits: Sequence[int | None]) -> int | None:
    bounded = [limit for limit in limits if limit is not None]
    return max(bounded) if len(bounded) == len(limits) else None


def tokens_left(standings: Iterable[Standing]) -> int | None:
    """How many tokens the tightest leaves; null where none limits them."""
    return min((left for each in standings if (left := each.left("tokens")) is not None), default=None)


def require_room(standings: Sequence[Standing], tokens: int) -> None:
    """Raises QuotaExceeded where one of them has no room for one more request of so many tokens.

    Of several, the one that ends last is told: before that, trying again would be in vain.
    """
    wanted: dict[Unit, int] = {"requests": 1, "tokens": tokens}
    over = [
        (each, unit)
        for each in standings
        for unit, needed in wanted.items()
        if (left := each.left(unit)) is not None and left < needed
    ]
    if over:
        raise _exceeded(*max(over, key=lambda each: each[0].ends_at), tokens)
    _tell_tightest(standings, tokens)


def _exceeded(standing: Standing, unit: Unit, tokens: int) -> QuotaExceeded:
    seconds = max(1, round((standing.ends_at - datetime.now(UTC)).total_seconds()))
    of_what = f" for {standing.model}" if standing.model else ""
    needed = f", and this needs {tokens}" if unit == "tokens" else ""
    return QuotaExceeded(
        f"Of your {standing.limit(unit)} {unit} a {standing.period}{of_what}, {standing.left(unit)} are left"
        f"{needed}: they start anew at {standing.ends_at:%Y-%m-%dT%H:%M:%SZ}.",
        retry_after=seconds,
        # OpenAI's clients repeat a 429 within seconds, unless they are told that it is in vain.
        headers=_headers(standing, unit, 0) | {"x-should-retry": "false"},
    )


def _tell_tightest(standings: Sequence[Standing], tokens: int) -> None:
    wanted: dict[Unit, int] = {"requests": 1, "tokens": tokens}
    told = [
        ((left - needed) / max(1, each.limit(unit) or 1), each, unit, left - needed)
        for each in standings
        for unit, needed in wanted.items()
        if (left := each.left(unit)) is not None
    ]
    if told:
        _, standing, unit, left = min(told, key=lambda each: each[0])
        current_context().response_headers.update(_headers(standing, unit, left))


def _headers(standing: Standing, unit: Unit, left: int) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers has it; the window is that of the longest day or month."""
    name = f"ai-{unit}-{standing.period}"
    window = 86_400 if standing.period == "day" else 31 * 86_400
    seconds = max(1, round((standing.ends_at - datetime.now(UTC)).total_seconds()))
    return {
        "RateLimit-Policy": f'"{name}";q={standing.limit(unit)};w={window}',
        "RateLimit": f'"{name}";r={left};t={seconds}',
    }
