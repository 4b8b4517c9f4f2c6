"""What Alembic runs for each of its commands; `migrations.runner` gives it the connection."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection

from common.logs import get_logger
from common.models import Base
from migrations.connections import LOCK_SECONDS, STATEMENT_SECONDS

log = get_logger("migrations")


def _log_step(
    ctx: MigrationContext,  # noqa: ARG001 - Alembic passes all four by name
    step: MigrationInfo,
    heads: object,  # noqa: ARG001 - the same
    run_args: object,  # noqa: ARG001 - the same
) -> None:
    log.info("migrated", revision=step.up_revision_id, direction="up" if step.is_upgrade else "down")


_OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    # Each revision commits alone: one that fails takes none with it, and autocommit_block is possible.
    "transaction_per_migration": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}


def _print_sql() -> None:
    context.configure(dialect_name="postgresql", literal_binds=True, **_OPTIONS)
    migration: MigrationContext = context.get_context()
    for name, seconds in (("lock_timeout", LOCK_SECONDS), ("statement_timeout", STATEMENT_SECONDS)):
        migration.impl.static_output(f"SET {name} = '{seconds:g}s';\n")
    with context.begin_transaction():
        context.run_migrations()


def _run(connection: Connection) -> None:
    context.configure(connection=connection, on_version_apply=_log_step, **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print_sql()
else:
    _run(context.config.attributes["connection"])
