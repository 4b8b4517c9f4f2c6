"""Conversations: read, listed, written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, text, union, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import Conversation, Generation, Message
from common.pagination import PageParameters, paginate_rows, parse_sort
from functions.ai.repository.visibility import conversations_of, messages_of

_READ: Final = select(*Conversation.__table__.columns)
_SORTS: Final = {"updated_at": Conversation.updated_at}
_ARCHIVED_SORTS: Final = {"archived_at": Conversation.archived_at}
_WILDCARD: Final = re.compile(r"([\\%_])")
# As the index has it: written otherwise, it would not be used.
_WORDS: Final = func.to_tsvector(text("'simple'"), func.left(Message.content, text("100000")))


@dataclass(frozen=True, slots=True)
class Filters:
    """Which conversations; None says nothing. `q` is within the title, or are words of what was said.

    The archive is a list of its own, in the order in which they came there.
    """

    archived: bool = False
    pinned: bool | None = None
    model: str | None = None
    q: str | None = None


def read(connection: Connection | Session, user_id: UUID, conversation_id: UUID) -> AnyRow | None:
    """A conversation."""
    mine = _READ.where(Conversation.id == conversation_id, conversations_of(user_id))
    return connection.execute(mine).first()


def read_any(session: Session, conversation_id: UUID) -> AnyRow | None:
    """A conversation, whosever it is: for what answers nobody."""
    return session.execute(_READ.where(Conversation.id == conversation_id)).first()


def hold(session: Session, user_id: UUID, conversation_id: UUID) -> AnyRow | None:
    """A conversation, held for the rest of the transaction."""
    mine = _READ.where(Conversation.id == conversation_id, conversations_of(user_id))
    return session.execute(mine.with_for_update()).first()


def page(
    connection: Connection, user_id: UUID, filters: Filters, parameters: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of conversations, the latest first, and the cursor of the next."""
    statement = _READ.where(conversations_of(user_id), *_conditions(user_id, filters))
    if filters.archived:
        keys = parse_sort("-archived_at", _ARCHIVED_SORTS, Conversation.id)
    else:
        keys = parse_sort("-updated_at", _SORTS, Conversation.id)
    return paginate_rows(
        connection, statement, keys, parameters, context=f"conversations {user_id} {filters}"
    )


def _conditions(user_id: UUID, filters: Filters) -> Iterator[ColumnElement[bool]]:
    archived = Conversation.archived_at
    yield archived.is_not(None) if filters.archived else archived.is_(None)
    if filters.pinned is not None:
        yield Conversation.pinned == filters.pinned
    if filters.model is not None:
        yield Conversation.model == filters.model
    if filters.q is not None:
        pattern = _WILDCARD.sub(r"\\\1", filters.q)
        titled = func.lower(Conversation.title).like(func.lower(f"%{pattern}%"))
        query = func.websearch_to_tsquery(text("'simple'"), filters.q)
        # Two searches, as no index serves a condition on both tables.
        found = union(
            select(Conversation.id).where(conversations_of(user_id), titled),
            select(Message.conversation_id).where(messages_of(user_id), _WORDS.op("@@")(query)),
        )
        yield Conversation.id.in_(found)


def add(session: Session, values: dict[str, Any]) -> UUID:
    """A new conversation; its id."""
    return session.execute(insert(Conversation).values(**values).returning(Conversation.id)).scalar_one()


def change(session: Session, conversation_id: UUID, values: dict[str, Any]) -> None:
    """Change a conversation, which gets a new version; its place in the list stays."""
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(**values, version=Conversation.version + 1)
    )


def lead_to(session: Session, conversation_id: UUID, leaf_id: UUID) -> None:
    """Something was said: this is the last of it."""
    said = {"leaf_id": leaf_id, "updated_at": func.clock_timestamp()}
    change(session, conversation_id, said)


def entitle(session: Session, conversation_id: UUID, title: str) -> None:
    """Give it the model's title, unless a person was faster."""
    untitled = or_(Conversation.titled_by.is_(None), Conversation.titled_by == "model")
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id, untitled)
        .values(title=title, titled_by="model", version=Conversation.version + 1)
    )


def remove(session: Session, conversation_id: UUID) -> None:
    """Delete it with all that was said in it."""
    # In the order in which those write who stream: neither waits for the other in a circle.
    session.execute(delete(Generation).where(Generation.conversation_id == conversation_id))
    session.execute(delete(Conversation).where(Conversation.id == conversation_id))
