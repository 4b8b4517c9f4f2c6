"""Does the database fit the code? Judged by what the server told."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from common.database.roles import role_name
from common.models.revision import HEAD
from common.settings import IN_LAMBDA, Settings
from infra.doctor import clocks
from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.postgres import Facts, Postgres

NEEDED: Final = ("btree_gin", "pg_trgm")
"""The extensions that the migrations install."""
OFFERED: Final = ("citext", "vector")
"""Those that a server must offer for what is to come: `vector` (pgvector) for search over files."""
_NEARLY_FULL: Final = 0.9


class Schema:
    """The checks of the database; none of them ends the chain."""

    def __init__(self, postgres: Postgres, settings: Settings, pools: Sequence[str]) -> None:
        """`pools` names everything that opens connections of its own."""
        self._postgres = postgres
        self._settings = settings
        self._pools = pools

    @property
    def checks(self) -> tuple[Check, ...]:
        """What comes after a sign-in."""
        return (
            Check("migrations", self.migrations),
            Check("extensions", self.extensions),
            Check("rights", self.rights),
            Check("clock", self.clock),
            Check("pools", self.pools),
        )

    @property
    def _facts(self) -> Facts:
        if self._postgres.facts is None:
            raise RuntimeError("nothing was read yet")
        return self._postgres.facts

    def migrations(self) -> Iterator[Finding]:
        """Compare the revision with the code's."""
        found = self._facts.revision
        if not found:
            yield failed("The database is not migrated.", "Run `lambkin migrate up`.", ends=False)
        elif found < HEAD:
            yield failed(
                f"The database is at revision {found}, the code wants {HEAD}.",
                "Run `lambkin migrate up`.",
                ends=False,
            )
        elif found > HEAD:
            yield warning(
                f"The database is ahead of the code: at revision {found}, and the code knows {HEAD}.",
                "Deploy the newer code; until then the older runs on, as migrations expand before "
                "they contract.",
            )
        else:
            yield ok(f"The database is at revision {found}, as the code wants.")

    def extensions(self) -> Iterator[Finding]:
        """Those that are needed, and those that will be."""
        missing = [name for name in NEEDED if name not in self._facts.installed]
        known = self._facts.installed | self._facts.available
        for name in missing:
            yield failed(
                f"The extension {name} is missing.",
                f"Let a superuser run `create extension {name}` in this database, then `lambkin migrate up`.",
                ends=False,
            )
        absent = [name for name in OFFERED if name not in known]
        for name in absent:
            yield warning(
                f"This server does not offer the extension {name}.",
                "Use a Postgres that has it: an image with pgvector, or your provider's list of extensions.",
            )
        if not missing and not absent:
            yield ok(f"{', '.join((*NEEDED, *OFFERED))} are there.")

    def rights(self) -> Iterator[Finding]:
        """Does each function's role have what the ownership map gives it?"""
        lacking = {function: rights for function, rights in self._postgres.lacking.items() if rights}
        for function, rights in lacking.items():
            more = f" and {len(rights) - 1} more" if len(rights) > 1 else ""
            yield failed(
                f"{role_name(function)} lacks {rights[0]}{more}.", "Run `lambkin migrate roles`.", ends=False
            )
        if not lacking:
            yield ok("Each role has the rights of the ownership map.")

    def clock(self) -> Iterator[Finding]:
        """Postgres' and ours."""
        yield clocks.compare(self._facts.clock, self._facts.read_at)

    def pools(self) -> Iterator[Finding]:
        """May the pools together open more connections than the server has?"""
        size = 1 if IN_LAMBDA else self._settings.database_pool_size
        processes = _processes()
        wanted = size * len(self._pools) * processes
        offered = self._facts.most - self._facts.reserved
        sum_up = f"{len(self._pools)} pools of {size}" + (
            f" in {processes} processes" if processes > 1 else ""
        )
        if wanted > offered:
            yield warning(
                f"{sum_up} may open {wanted} connections; the server has {offered} to give.",
                "Lower DATABASE_POOL_SIZE or the processes, raise max_connections, or put a pooler in front.",
            )
        elif self._facts.in_use > offered * _NEARLY_FULL:
            yield warning(
                f"{self._facts.in_use} of the {offered} connections are in use.",
                "See who holds them in pg_stat_activity; raise max_connections.",
            )
        else:
            yield ok(f"{sum_up} may open {wanted} connections; the server has {offered} to give.")


def _processes() -> int:
    """What uvicorn takes for the number of its workers."""
    given = os.environ.get("WEB_CONCURRENCY", "")
    return int(given) if given.isdecimal() and int(given) > 0 else 1
