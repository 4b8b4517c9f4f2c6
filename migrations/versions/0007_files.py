"""Files: their content, uploads, what an owner may store, and a record of every key of the bucket."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {
    "file_contents": """
        id uuid not null constraint pk_file_contents primary key,
        owner_id uuid not null constraint fk_file_contents_owner_id_users references users (id),
        state varchar(16) not null default 'processing'
            constraint ck_file_contents_state_known check (state in ('processing', 'ready', 'rejected')),
        uploaded_sha256 bytea,
        size bigint not null,
        object_key varchar(200),
        media_type varchar(127) not null,
        rejection varchar(32),
        rejection_detail varchar(500),
        width integer,
        height integer,
        frames integer,
        pages integer,
        colours varchar(7)[] not null default '{}',
        thumbhash varchar(64),
        camera varchar(200),
        taken_at timestamptz,
        removed varchar(32)[] not null default '{}',
        renditions jsonb not null default '[]',
        created_at timestamptz not null default now(),
        processed_at timestamptz
    """,
    "files": """
        id uuid not null constraint pk_files primary key,
        owner_id uuid not null constraint fk_files_owner_id_users references users (id),
        content_id uuid not null constraint fk_files_content_id_file_contents references file_contents (id),
        name varchar(255) not null,
        media_type varchar(127) not null,
        family varchar(127) not null generated always as (split_part(media_type, '/', 1)) stored,
        size bigint not null,
        description varchar(2000) not null default '',
        tags varchar(64)[] not null default '{}',
        custom jsonb not null default '{}',
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1,
        trashed_at timestamptz
    """,
    "uploads": """
        id uuid not null constraint pk_uploads primary key,
        owner_id uuid not null constraint fk_uploads_owner_id_users references users (id),
        kind varchar(8) not null
            constraint ck_uploads_kind_known check (kind in ('direct', 'single', 'parts')),
        state varchar(8) not null default 'open'
            constraint ck_uploads_state_known check (state in ('open', 'done', 'ended')),
        size bigint not null,
        sha256 bytea,
        media_type varchar(127),
        part_size bigint,
        object_key varchar(200) not null,
        bucket_upload_id varchar(1024),
        attributes jsonb not null,
        claimed_until timestamptz,
        file_id uuid,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null
    """,
    "storage_usage": """
        owner_id uuid not null constraint pk_storage_usage primary key
            constraint fk_storage_usage_owner_id_users references users (id),
        used bigint not null default 0,
        reserved bigint not null default 0,
        quota bigint,
        constraint ck_storage_usage_not_negative check (used >= 0 and reserved >= 0)
    """,
    "stored_objects": """
        key varchar(200) not null constraint pk_stored_objects primary key,
        owner_id uuid not null,
        content_id uuid,
        state varchar(8) not null default 'pending'
            constraint ck_stored_objects_state_known check (state in ('pending', 'kept', 'doomed')),
        created_at timestamptz not null default now(),
        remove_after timestamptz,
        writable_until timestamptz,
        claimed_until timestamptz
    """,
}

INDEXES = {
    "uq_file_contents_owner_id_uploaded_sha256": (
        "file_contents (owner_id, uploaded_sha256) where uploaded_sha256 is not null and state <> 'rejected'"
    ),
    "ix_file_contents_owner_id": "file_contents (owner_id)",
    "ix_files_content_id": "files (content_id)",
    "ix_files_trashed_at": "files (trashed_at) where trashed_at is not null",
    "ix_files_owner_id_created_at_id": "files (owner_id, created_at, id) where trashed_at is null",
    "ix_files_owner_id_name_id": "files (owner_id, name, id) where trashed_at is null",
    "ix_files_owner_id_size_id": "files (owner_id, size, id) where trashed_at is null",
    "ix_files_owner_id_family_id": "files (owner_id, family, created_at, id) where trashed_at is null",
    "ix_files_owner_id_trashed_at_id": "files (owner_id, trashed_at, id) where trashed_at is not null",
    "ix_files_searched": "files using gin (owner_id, tags, family, media_type, lower(name) gin_trgm_ops)",
    "ix_uploads_owner_id_state": "uploads (owner_id, state)",
    "ix_uploads_expires_at": "uploads (expires_at)",
    "ix_stored_objects_content_id": "stored_objects (content_id)",
    "ix_stored_objects_remove_after": "stored_objects (remove_after) where state <> 'kept'",
    "ix_stored_objects_owner_id": "stored_objects (owner_id)",
}


def upgrade() -> None:
    # What a GIN index needs for columns that are no lists.
    op.execute("create extension if not exists btree_gin")
    for name, columns in TABLES.items():
        op.execute(f"create table {name} ({columns})")
    for name, definition in INDEXES.items():
        unique = "unique " if name.startswith("uq_") else ""
        # The tables were made a moment ago: nobody waits for a lock on them.
        op.execute(
            f"-- squawk-ignore require-concurrent-index-creation\ncreate {unique}index {name} on {definition}"
        )


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
