"""The check of the revision before is validated; the erasure of a person finds their lines by indexes."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_bulk_invitation_lines_email": "bulk_invitation_lines (lower(email))",
    "ix_bulk_invitation_lines_user_id": "bulk_invitation_lines (user_id) where user_id is not null",
}


def upgrade() -> None:
    op.execute("alter table bulk_invitations validate constraint ck_bulk_invitations_state_known")
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            # An attempt that was interrupted leaves an invalid index behind.
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {definition}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"drop index concurrently if exists {name}")
