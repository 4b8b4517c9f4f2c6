"""Conversations with models, what they used, and what administrators settle about that."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = {
    "conversations": """
        id uuid not null,
        owner_id uuid not null,
        title varchar(200),
        titled_by varchar(8),
        model varchar(200) not null,
        system text not null default '',
        parameters jsonb not null default '{}',
        pinned boolean not null default false,
        archived_at timestamptz,
        leaf_id uuid,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1,
        constraint pk_conversations primary key (id),
        constraint ck_conversations_titled_by_known check (titled_by in ('person', 'model')),
        constraint fk_conversations_owner_id_users foreign key (owner_id) references users (id)
    """,
    "messages": """
        id uuid not null,
        conversation_id uuid not null,
        owner_id uuid not null,
        parent_id uuid,
        depth integer not null default 0,
        role varchar(16) not null,
        state varchar(16) not null default 'done',
        content text not null default '',
        reasoning text not null default '',
        model varchar(200),
        parameters jsonb not null default '{}',
        finish_reason varchar(16),
        problem jsonb,
        truncated boolean not null default false,
        left_out integer not null default 0,
        prompt_tokens integer,
        completion_tokens integer,
        timings jsonb not null default '{}',
        last_event integer,
        created_at timestamptz not null default now(),
        finished_at timestamptz,
        constraint pk_messages primary key (id),
        constraint ck_messages_role_known check (role in ('user', 'assistant')),
        constraint ck_messages_state_known
            check (state in ('streaming', 'done', 'stopped', 'abandoned', 'failed', 'interrupted')),
        constraint fk_messages_conversation_id_conversations
            foreign key (conversation_id) references conversations (id) on delete cascade,
        constraint fk_messages_owner_id_users foreign key (owner_id) references users (id)
    """,
    "generations": """
        message_id uuid not null,
        conversation_id uuid not null,
        owner_id uuid not null,
        process_id uuid not null,
        reservation_id uuid,
        prompt_tokens integer not null default 0,
        beat_at timestamptz not null default now(),
        watched_at timestamptz not null default now(),
        stop_requested_at timestamptz,
        ended_at timestamptz,
        constraint pk_generations primary key (message_id),
        constraint fk_generations_message_id_messages
            foreign key (message_id) references messages (id) on delete cascade,
        constraint fk_generations_owner_id_users foreign key (owner_id) references users (id)
    """,
    "generation_parts": """
        message_id uuid not null,
        first integer not null,
        events jsonb not null,
        constraint pk_generation_parts primary key (message_id, first),
        constraint fk_generation_parts_message_id_generations
            foreign key (message_id) references generations (message_id) on delete cascade
    """,
    "conversation_summaries": """
        message_id uuid not null,
        owner_id uuid not null,
        content text not null,
        model varchar(200) not null,
        created_at timestamptz not null default now(),
        constraint pk_conversation_summaries primary key (message_id),
        constraint fk_conversation_summaries_message_id_messages
            foreign key (message_id) references messages (id) on delete cascade,
        constraint fk_conversation_summaries_owner_id_users foreign key (owner_id) references users (id)
    """,
    "ai_usage": """
        owner_id uuid not null,
        day date not null,
        model varchar(200) not null,
        key_id uuid not null default '00000000-0000-0000-0000-000000000000',
        requests bigint not null default 0,
        prompt_tokens bigint not null default 0,
        completion_tokens bigint not null default 0,
        constraint pk_ai_usage primary key (owner_id, day, model, key_id),
        constraint fk_ai_usage_owner_id_users foreign key (owner_id) references users (id)
    """,
    "ai_reservations": """
        id uuid not null,
        owner_id uuid not null,
        key_id uuid not null default '00000000-0000-0000-0000-000000000000',
        model varchar(200) not null,
        day date not null,
        tokens bigint not null,
        prompt_tokens bigint not null default 0,
        completion_tokens bigint not null default 0,
        created_at timestamptz not null default now(),
        held_until timestamptz not null,
        constraint pk_ai_reservations primary key (id),
        constraint fk_ai_reservations_owner_id_users foreign key (owner_id) references users (id)
    """,
    "ai_quotas": """
        id uuid not null,
        role varchar(64),
        owner_id uuid,
        key_id uuid,
        model varchar(200),
        period varchar(8) not null,
        requests bigint,
        tokens bigint,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        version integer not null default 1,
        constraint pk_ai_quotas primary key (id),
        constraint ck_ai_quotas_period_known check (period in ('day', 'month')),
        constraint ck_ai_quotas_of_one check (num_nonnulls(role, owner_id, key_id) <= 1),
        constraint fk_ai_quotas_owner_id_users foreign key (owner_id) references users (id)
    """,
    "ai_models": """
        name varchar(200) not null,
        roles varchar(64)[],
        tasks varchar(16)[] not null default '{}',
        num_ctx integer,
        updated_at timestamptz not null default now(),
        version integer not null default 1,
        constraint pk_ai_models primary key (name)
    """,
    "model_pulls": """
        id uuid not null,
        model varchar(200) not null,
        state varchar(16) not null default 'queued',
        status varchar(200) not null default '',
        completed bigint not null default 0,
        total bigint not null default 0,
        problem varchar(64),
        attempts integer not null default 0,
        holder uuid,
        held_until timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        finished_at timestamptz,
        constraint pk_model_pulls primary key (id),
        constraint ck_model_pulls_state_known
            check (state in ('queued', 'running', 'done', 'failed', 'cancelled'))
    """,
}

INDEXES = {
    "ix_conversations_owner_id_archived_at_id": (
        "conversations (owner_id, archived_at, id) where archived_at is not null"
    ),
    "ix_conversations_owner_id_updated_at_id": (
        "conversations (owner_id, updated_at, id) where archived_at is null"
    ),
    "ix_conversations_model": "conversations (owner_id, model, updated_at, id) where archived_at is null",
    "ix_conversations_pinned": "conversations (owner_id, updated_at, id) where pinned",
    "ix_conversations_title": "conversations using gin (owner_id, lower(title) gin_trgm_ops)",
    "ix_messages_conversation_id_id": "messages (conversation_id, id)",
    "ix_messages_searched": "messages using gin (owner_id, to_tsvector('simple', left(content, 100000)))",
    "ix_generations_beat_at": "generations (beat_at)",
    "ix_generations_conversation_id": "generations (conversation_id)",
    "ix_ai_reservations_held_until": "ai_reservations (held_until)",
    "ix_ai_reservations_owner_id": "ai_reservations (owner_id)",
    "ix_ai_quotas_key_id": "ai_quotas (key_id) where key_id is not null",
    "ix_ai_quotas_owner_id": "ai_quotas (owner_id) where owner_id is not null",
    "ix_ai_quotas_role": "ai_quotas (role) where owner_id is null and key_id is null",
    "ix_ai_usage_day": "ai_usage (day)",
    "uq_ai_quotas_of": (
        "ai_quotas (coalesce(role, ''), coalesce(model, ''), period,"
        " coalesce(owner_id, key_id, '00000000-0000-0000-0000-000000000000'::uuid))"
    ),
    "uq_model_pulls_model": "model_pulls (model) where state in ('queued', 'running')",
}


def upgrade() -> None:
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
