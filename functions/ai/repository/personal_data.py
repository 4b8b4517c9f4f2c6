"""What `ai` keeps of a person, for an export and for its end."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import (
    AiQuota,
    AiReservation,
    AiUsage,
    Conversation,
    ConversationSummary,
    Generation,
    Message,
)
from functions.ai.repository.amounts import Most, at_most


def conversations(session: Session, user_id: UUID, most: Most) -> Sequence[AnyRow]:
    """The newest conversations, without what was said."""
    columns = select(
        Conversation.id,
        Conversation.title,
        Conversation.model,
        Conversation.system,
        Conversation.parameters,
        Conversation.pinned,
        Conversation.archived_at,
        Conversation.created_at,
        Conversation.updated_at,
    )
    mine = columns.where(Conversation.owner_id == user_id)
    texts = (Conversation.title, Conversation.system)
    return session.execute(at_most(mine, Conversation.id, Conversation.id.desc(), texts, most)).all()


def messages(session: Session, user_id: UUID, most: Most) -> Sequence[AnyRow]:
    """The newest of what was said."""
    columns = select(
        Message.id,
        Message.conversation_id,
        Message.parent_id,
        Message.role,
        Message.state,
        Message.content,
        Message.reasoning,
        Message.model,
        Message.prompt_tokens,
        Message.completion_tokens,
        Message.created_at,
    )
    mine = columns.where(Message.owner_id == user_id)
    texts = (Message.content, Message.reasoning)
    return session.execute(at_most(mine, Message.id, Message.id.desc(), texts, most)).all()


def usage(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """What was asked of which model on the latest days."""
    columns = select(
        AiUsage.day, AiUsage.model, AiUsage.requests, AiUsage.prompt_tokens, AiUsage.completion_tokens
    )
    mine = columns.where(AiUsage.owner_id == user_id).order_by(AiUsage.day.desc(), AiUsage.model)
    return session.execute(mine.limit(limit)).all()


def delete_some_conversations(session: Session, user_id: UUID, limit: int) -> int:
    """Delete some conversations with all that was said in them; how many."""
    some = select(Conversation.id).where(Conversation.owner_id == user_id).limit(limit)
    ids = list(session.scalars(some.with_for_update()))
    # In the order in which those write who stream: neither waits for the other in a circle.
    session.execute(delete(Generation).where(Generation.conversation_id.in_(ids)))
    return _deleted(session, delete(Conversation).where(Conversation.id.in_(ids)))


def delete_rest(session: Session, user_id: UUID) -> dict[str, int]:
    """Delete everything else; how many there were of what."""
    # In the order in which a request goes from the one to the other: it is met in one of them.
    tables = (ConversationSummary, AiReservation, AiUsage, AiQuota)
    return {
        table.__tablename__: _deleted(session, delete(table).where(table.owner_id == user_id))
        for table in tables
    }


def _deleted(session: Session, statement: Any) -> int:  # noqa: ANN401 - a delete of any table
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # of a delete it is there
