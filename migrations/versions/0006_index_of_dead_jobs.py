"""Dead jobs are counted every minute and listed newest first: by an index that holds them alone."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An attempt that was interrupted leaves an invalid index behind.
        op.execute("drop index concurrently if exists ix_jobs_dead")
        op.execute(
            "create index concurrently ix_jobs_dead on jobs (function, finished_at) where state = 'dead'"
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists ix_jobs_dead")
