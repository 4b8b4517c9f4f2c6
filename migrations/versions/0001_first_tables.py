"""Accounts, credentials, sessions, the audit log, jobs, idempotency keys and rate limits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Rows that are updated often: room on the page for the new version, and a vacuum that comes early.
OFTEN_UPDATED = {
    "fillfactor": 75,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_analyze_scale_factor": 0.05,
}


def _id(name: str = "id") -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _time_of_insert(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _text(name: str, length: int | None, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), server_default=default and sa.text(default), nullable=False)


def upgrade() -> None:
    _create_users()
    _create_sessions()
    _create_tokens()
    _create_keys()
    _create_audit_log()
    _create_jobs()
    _create_request_tables()


def downgrade() -> None:
    for table in (
        "rate_limits",
        "idempotency_keys",
        "jobs",
        "audit_log",
        "signing_secrets",
        "signing_keys",
        "one_time_tokens",
        "refresh_tokens",
        "sessions",
        "passwords",
        "users",
    ):
        op.drop_table(table)


def _create_users() -> None:
    op.create_table(
        "users",
        _id(),
        _text("email", 254),
        _text("name", 200, "''"),
        _text("locale", 35, "'en'"),
        _text("role", 32, "'member'"),
        _text("state", 16, "'active'"),
        _time("email_verified_at", nullable=True),
        _time_of_insert(),
        _time_of_insert("updated_at"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.CheckConstraint("role in ('admin', 'member')", name=op.f("ck_users_role_known")),
        sa.CheckConstraint("state in ('active', 'disabled')", name=op.f("ck_users_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "passwords",
        _id("user_id"),
        _text("hash", 255),
        _time_of_insert("changed_at"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_passwords_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_passwords")),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        _id(),
        _id("user_id"),
        _text("client_address", 64),
        _text("user_agent", 512),
        _time_of_insert(),
        _time_of_insert("last_seen_at"),
        _time("expires_at"),
        _time("revoked_at", nullable=True),
        sa.Column("revoked_reason", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        postgresql_with=OFTEN_UPDATED,
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])


def _create_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        _id("session_id"),
        _time_of_insert(),
        _time("expires_at"),
        _time("rotated_at", nullable=True),
        sa.Column("successor", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_refresh_tokens_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(op.f("ix_refresh_tokens_expires_at"), "refresh_tokens", ["expires_at"])
    op.create_index(op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"])
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        _id("user_id"),
        _text("purpose", 32),
        sa.Column("password_hash", sa.String(255), nullable=True),
        sa.Column("name", sa.String(200), nullable=True),
        _time_of_insert(),
        _time("expires_at"),
        _time("spent_at", nullable=True),
        sa.CheckConstraint("purpose in ('verify_email')", name=op.f("ck_one_time_tokens_purpose_known")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_one_time_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_one_time_tokens")),
    )
    op.create_index(op.f("ix_one_time_tokens_expires_at"), "one_time_tokens", ["expires_at"])
    op.create_index(op.f("ix_one_time_tokens_user_id"), "one_time_tokens", ["user_id"])


def _create_keys() -> None:
    op.create_table(
        "signing_keys",
        _id(),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        _time_of_insert(),
        _time("retired_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "signing_secrets",
        _id("key_id"),
        _text("ciphertext", None),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["signing_keys.id"],
            name=op.f("fk_signing_secrets_key_id_signing_keys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_signing_secrets")),
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        _id(),
        _time_of_insert(),
        _text("action", 64),
        _text("outcome", 16),
        *(sa.Column(name, sa.Uuid(), nullable=True) for name in ("actor_id", "subject_id", "session_id")),
        _text("client_address", 64),
        _text("user_agent", 512),
        _text("request_id", 128),
        sa.Column("details", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_created_at"), "audit_log", ["created_at"])
    op.create_index(op.f("ix_audit_log_subject_id_created_at"), "audit_log", ["subject_id", "created_at"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        _id(),
        _text("function", 32),
        _text("task", 64),
        sa.Column("payload", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("secret", sa.String(), nullable=True),
        _text("state", 16, "'queued'"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default=sa.text("8"), nullable=False),
        _time_of_insert("run_at"),
        _time("locked_until", nullable=True),
        _time("announced_at", nullable=True),
        _time_of_insert(),
        _time("finished_at", nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        _text("request_id", 128, "''"),
        sa.CheckConstraint(
            "state in ('queued', 'running', 'done', 'dead')", name=op.f("ck_jobs_state_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        postgresql_with=OFTEN_UPDATED,
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["function", "run_at"],
        postgresql_where=sa.text("state in ('queued', 'running')"),
    )
    op.create_index(
        "ix_jobs_finished_at",
        "jobs",
        ["finished_at"],
        postgresql_where=sa.text("finished_at is not null"),
    )


def _create_request_tables() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        _time("locked_until"),
        _time_of_insert(),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_idempotency_keys")),
        postgresql_with=OFTEN_UPDATED,
    )
    op.create_index(op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"])
    op.create_table(
        "rate_limits",
        sa.Column("digest", sa.LargeBinary(16), nullable=False),
        sa.Column("spent", sa.DOUBLE_PRECISION(), nullable=False),
        _time("updated_at"),
        _time("expires_at"),
        sa.Column("refusals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rate_limits")),
        prefixes=["UNLOGGED"],
        postgresql_with=OFTEN_UPDATED,
    )
