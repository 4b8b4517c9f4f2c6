"""The probes that several functions share."""

from sqlalchemy import text

from common.database.engine import get_probe_engine
from common.health import Probe, ProbeFailed
from common.models.revision import HEAD


def database_probe(function: str) -> Probe:
    """Does Postgres answer this function's role, and is it migrated to what the code expects?"""

    def check() -> None:
        with get_probe_engine(function).connect() as connection:
            found = connection.scalar(text("select version_num from alembic_version"))
        if found is None or found < HEAD:
            raise ProbeFailed(f"The database is at revision {found or 'none'}, the code wants {HEAD}.")

    return Probe("database", check, "Is Postgres up, and was `lambkin migrate up` run? See DATABASE_URL.")
