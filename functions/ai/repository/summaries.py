"""What was said before, in short."""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import ConversationSummary

_LATEST: Final = text("""
    select * from (
        with recursive branch (id, parent_id, depth) as (
            select id, parent_id, depth from messages
            where id = :leaf and conversation_id = :conversation and owner_id = :owner
            union all
            select m.id, m.parent_id, m.depth from messages m join branch b on m.id = b.parent_id
        )
        select s.message_id, s.content, b.depth
        from branch b join conversation_summaries s on s.message_id = b.id
        order by b.depth desc limit 1
    ) as latest
""")


def latest(
    connection: Connection | Session, user_id: UUID, conversation_id: UUID, leaf_id: UUID
) -> AnyRow | None:
    """The summary that reaches furthest on a branch: message_id, content, and the depth that it reaches."""
    given = {"leaf": leaf_id, "conversation": conversation_id, "owner": user_id}
    return connection.execute(_LATEST, given).first()


def exists(connection: Connection | Session, message_id: UUID) -> bool:
    """Whether there is one up to this message."""
    found = select(ConversationSummary.message_id).where(ConversationSummary.message_id == message_id)
    return connection.execute(found).first() is not None


def add(session: Session, message_id: UUID, owner_id: UUID, content: str, model: str) -> None:
    """Keep one; who was faster is right."""
    session.execute(
        insert(ConversationSummary)
        .values(message_id=message_id, owner_id=owner_id, content=content, model=model)
        .on_conflict_do_nothing()
    )
