"""Roles, API keys, invitations, exports and erasure; sessions that know when their person was last seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATES = "state in ('invited', 'active', 'disabled', 'deleting', 'deleted')"
PURPOSES = (
    "purpose in ('verify_email', 'reset_password', 'change_email', 'undo_email', 'invitation', "
    "'undo_deletion', 'download_export')"
)
NEW_TABLES = (
    "erasure_reports",
    "export_parts",
    "exports",
    "bulk_invitation_lines",
    "bulk_invitations",
    "api_keys",
    "roles",
    "pending_registrations",
)


def _id(name: str = "id", *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _time_of_insert(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _text(name: str, length: int | None, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), server_default=default and sa.text(default), nullable=False)


def _names(name: str, length: int, default: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name, ARRAY(sa.String(length)), server_default=default and sa.text(default), nullable=False
    )


def _version() -> sa.Column[object]:
    return sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _bytes(name: str, length: int | None = 32, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary(length), nullable=nullable)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, JSONB(), server_default=sa.text("'{}'"), nullable=False)


def _owned_by_user(table: str, column: str = "user_id") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_users")
    return sa.ForeignKeyConstraint([column], ["users.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    _change_users()
    _change_sessions_and_keys()
    _change_tokens()
    op.add_column("audit_log", _id("api_key_id", nullable=True))
    op.add_column("jobs", _json("origin"))
    _create_roles_and_api_keys()
    _create_invitations()
    _create_personal_data()
    _create_reports()


def _change_users() -> None:
    op.add_column("users", _names("roles", 32, "'{member}'"))
    op.execute("update users set roles = array[role] where role <> 'member'")
    # Dropped by the revision that replaces it: nothing was released with it. Its check goes with it.
    op.execute("-- squawk-ignore ban-drop-column\nalter table users drop column role")
    op.add_column("users", sa.Column("disabled_reason", sa.String(500), nullable=True))
    op.add_column(
        "users",
        sa.Column("password_reset_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("users", _time("erase_at", nullable=True))
    _widen_check("users", "ck_users_state_known", STATES)


def _widen_check(table: str, name: str, condition: str) -> None:
    # What is there fits the wider condition: the next revision looks at it, without a lock on the table.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nalter table {table} drop constraint {name}")
    op.execute(f"alter table {table} add constraint {name} check ({condition}) not valid")


def _change_sessions_and_keys() -> None:
    op.add_column("sessions", _time_of_insert("authenticated_at"))
    op.execute("update sessions set authenticated_at = created_at")
    op.add_column("sessions", _text("last_address", 64, "''"))
    op.execute("update sessions set last_address = client_address")
    op.add_column("signing_keys", _time_of_insert("active_at"))
    op.execute("update signing_keys set active_at = created_at")


def _change_tokens() -> None:
    op.create_table(
        "pending_registrations",
        _bytes("digest"),
        _text("password_hash", 255),
        _text("name", 200),
        sa.ForeignKeyConstraint(
            ["digest"],
            ["one_time_tokens.digest"],
            name=op.f("fk_pending_registrations_digest_one_time_tokens"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pending_registrations")),
    )
    op.execute(
        "insert into pending_registrations (digest, password_hash, name) select digest, password_hash, "
        "coalesce(name, '') from one_time_tokens where password_hash is not null"
    )
    for column in ("password_hash", "name"):
        op.execute(f"-- squawk-ignore ban-drop-column\nalter table one_time_tokens drop column {column}")
    op.add_column("one_time_tokens", sa.Column("email", sa.String(254), nullable=True))
    _widen_check("one_time_tokens", "ck_one_time_tokens_purpose_known", PURPOSES)


def _create_roles_and_api_keys() -> None:
    op.create_table(
        "roles",
        _text("name", 32),
        _text("description", 200, "''"),
        _names("permissions", 64),
        _time_of_insert(),
        _time_of_insert("updated_at"),
        _version(),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
    )
    op.create_table(
        "api_keys",
        _id(),
        _id("user_id"),
        _text("name", 200),
        _bytes("digest"),
        _bytes("previous_digest", nullable=True),
        _time("previous_expires_at", nullable=True),
        _names("scopes", 64),
        _names("networks", 64, "'{}'"),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        _time_of_insert(),
        _time_of_insert("updated_at"),
        _time("rotated_at", nullable=True),
        _time("expires_at", nullable=True),
        _time("last_used_at", nullable=True),
        _version(),
        _owned_by_user("api_keys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_user_id_created_at_id"), "api_keys", ["user_id", "created_at", "id"])


def _create_invitations() -> None:
    op.create_table(
        "bulk_invitations",
        _id(),
        _id("created_by"),
        _text("state", 16, "'queued'"),
        _time_of_insert(),
        _time("finished_at", nullable=True),
        sa.CheckConstraint(
            "state in ('queued', 'running', 'done')", name=op.f("ck_bulk_invitations_state_known")
        ),
        _owned_by_user("bulk_invitations", "created_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_invitations")),
    )
    op.create_index(op.f("ix_bulk_invitations_created_by"), "bulk_invitations", ["created_by"])
    op.create_table(
        "bulk_invitation_lines",
        _id("bulk_invitation_id"),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        _text("email", 320),
        _text("name", 200, "''"),
        _names("roles", 32, "'{member}'"),
        sa.Column("outcome", sa.String(16), nullable=True),
        _text("detail", 500, "''"),
        sa.ForeignKeyConstraint(
            ["bulk_invitation_id"],
            ["bulk_invitations.id"],
            name=op.f("fk_bulk_invitation_lines_bulk_invitation_id_bulk_invitations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bulk_invitation_id", "line", name=op.f("pk_bulk_invitation_lines")),
    )


def _create_personal_data() -> None:
    op.create_table(
        "exports",
        _id(),
        _id("user_id"),
        _text("state", 16, "'collecting'"),
        sa.Column("object_key", sa.String(200), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        _time_of_insert(),
        _time("ready_at", nullable=True),
        _time("expires_at"),
        sa.CheckConstraint(
            "state in ('collecting', 'ready', 'failed', 'expired')", name=op.f("ck_exports_state_known")
        ),
        _owned_by_user("exports"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index(op.f("ix_exports_user_id_created_at"), "exports", ["user_id", "created_at"])
    op.create_index(op.f("ix_exports_expires_at"), "exports", ["expires_at"])


def _create_reports() -> None:
    op.create_table(
        "export_parts",
        _id("export_id"),
        _text("function", 32),
        _text("content", None),
        _time_of_insert(),
        sa.ForeignKeyConstraint(
            ["export_id"],
            ["exports.id"],
            name=op.f("fk_export_parts_export_id_exports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("export_id", "function", name=op.f("pk_export_parts")),
    )
    op.create_table(
        "erasure_reports",
        _id("user_id"),
        _text("function", 32),
        _json("report"),
        _time_of_insert(),
        _owned_by_user("erasure_reports"),
        sa.PrimaryKeyConstraint("user_id", "function", name=op.f("pk_erasure_reports")),
    )


def downgrade() -> None:
    for table in NEW_TABLES[:-1]:
        op.drop_table(table)
    op.drop_column("jobs", "origin")
    op.drop_column("audit_log", "api_key_id")
    _restore_tokens()
    op.drop_column("signing_keys", "active_at")
    op.drop_column("sessions", "last_address")
    op.drop_column("sessions", "authenticated_at")
    _restore_users()


def _restore_tokens() -> None:
    op.execute("delete from one_time_tokens where purpose <> 'verify_email'")
    op.drop_constraint(op.f("ck_one_time_tokens_purpose_known"), "one_time_tokens", type_="check")
    op.create_check_constraint(
        op.f("ck_one_time_tokens_purpose_known"), "one_time_tokens", "purpose in ('verify_email')"
    )
    op.drop_column("one_time_tokens", "email")
    op.add_column("one_time_tokens", sa.Column("password_hash", sa.String(255), nullable=True))
    op.add_column("one_time_tokens", sa.Column("name", sa.String(200), nullable=True))
    op.execute(
        "update one_time_tokens set password_hash = pending.password_hash, name = pending.name "
        "from pending_registrations as pending where pending.digest = one_time_tokens.digest"
    )
    op.drop_table("pending_registrations")


def _restore_users() -> None:
    op.execute("delete from users where state in ('invited', 'deleted')")
    op.execute("update users set state = 'disabled' where state = 'deleting'")
    op.drop_constraint(op.f("ck_users_state_known"), "users", type_="check")
    op.create_check_constraint(op.f("ck_users_state_known"), "users", "state in ('active', 'disabled')")
    for column in ("erase_at", "password_reset_required", "disabled_reason"):
        op.drop_column("users", column)
    op.add_column("users", _text("role", 32, "'member'"))
    op.execute("update users set role = 'admin' where 'admin' = any(roles)")
    op.create_check_constraint(op.f("ck_users_role_known"), "users", "role in ('admin', 'member')")
    op.drop_column("users", "roles")
