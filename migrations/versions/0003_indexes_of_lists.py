"""The checks of the revision before are validated; lists and searches of accounts and audit get indexes."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MADE = {
    "ix_refresh_tokens_successors": "refresh_tokens (session_id) where successor is not null",
    "ix_users_created_at_id": "users (created_at, id)",
    "ix_users_name_id": "users (name, id)",
    "ix_users_state_created_at_id": "users (state, created_at, id) where state <> 'active'",
    "ix_users_roles": "users using gin (roles)",
    "ix_users_searched": "users using gin ((email || ' ' || lower(name)) gin_trgm_ops)",
    "ix_audit_log_created_at_id": "audit_log (created_at, id)",
    "ix_audit_log_subject_id_created_at_id": "audit_log (subject_id, created_at, id)",
    "ix_audit_log_actor_id_created_at_id": "audit_log (actor_id, created_at, id)",
    "ix_audit_log_action_created_at_id": "audit_log (action, created_at, id)",
    "ix_audit_log_outcome_created_at_id": "audit_log (outcome, created_at, id)",
}
REPLACED = {
    "ix_audit_log_created_at": "audit_log (created_at)",
    "ix_audit_log_subject_id_created_at": "audit_log (subject_id, created_at)",
}


CHECKS = {"users": "ck_users_state_known", "one_time_tokens": "ck_one_time_tokens_purpose_known"}


def upgrade() -> None:
    for table, check in CHECKS.items():
        op.execute(f"alter table {table} validate constraint {check}")
    _replace(REPLACED, MADE)


def downgrade() -> None:
    _replace(MADE, REPLACED)


def _replace(old: dict[str, str], new: dict[str, str]) -> None:
    with op.get_context().autocommit_block():
        for name, definition in new.items():
            # An attempt that was interrupted leaves an invalid index behind.
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create index concurrently {name} on {definition}")
        for name in old:
            op.execute(f"drop index concurrently if exists {name}")
