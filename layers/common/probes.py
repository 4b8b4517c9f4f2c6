"""The probes that several functions share."""

from sqlalchemy import text

from common.database.transactions import get_database
from common.health import Probe, ProbeFailed
from common.models.revision import HEAD


def database_probe(function: str) -> Probe:
    """Does Postgres answer this function's role, and is it migrated to what the code expects?"""

    def check() -> None:
        found = get_database(function).transaction(
            lambda session: session.scalar(text("select version_num from alembic_version"))
        )
        if found is None or found < HEAD:
            raise ProbeFailed(f"The database is at revision {found or 'none'}, the code wants {HEAD}.")

    return Probe("database", check, "Is Postgres up, and was `lambkin migrate up` run? See DATABASE_URL.")
