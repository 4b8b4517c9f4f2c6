"""What was said: a tree of messages, of which a conversation shows one branch."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Uuid, column, insert, select, text
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import Message
from common.pagination import PageParameters, paginate_rows, parse_sort
from functions.ai.repository.amounts import Most, at_most
from functions.ai.repository.visibility import messages_of

_READ: Final = select(*Message.__table__.columns)
_TEXTS: Final = (Message.content, Message.reasoning)
_SORTS: Final = {"depth": Message.depth, "id": Message.id}

# Each begins with `select`, as what reads without a transaction may send nothing else.
_BRANCH: Final = text("""
    select id from (
        with recursive branch (id, parent_id) as (
            select id, parent_id from messages
            where id = :leaf and conversation_id = :conversation and owner_id = :owner
            union all
            select m.id, m.parent_id from messages m join branch b on m.id = b.parent_id
        )
        select id from branch
    ) as ancestors
""")
_HISTORY: Final = text("""
    select * from (
        with recursive branch (id, parent_id, role, content, depth, octets) as (
            select id, parent_id, role, content, depth, octet_length(content) from messages
            where id = :leaf and conversation_id = :conversation and owner_id = :owner
            union all
            select m.id, m.parent_id, m.role, m.content, m.depth, b.octets + octet_length(m.content)
            from messages m join branch b on m.id = b.parent_id
            where b.octets < :octets
        )
        select id, role, content, depth from branch
    ) as latest
    order by depth
""")


def read(
    connection: Connection | Session, user_id: UUID, conversation_id: UUID, message_id: UUID
) -> AnyRow | None:
    """A message of a conversation."""
    mine = _READ.where(
        Message.id == message_id, Message.conversation_id == conversation_id, messages_of(user_id)
    )
    return connection.execute(mine).first()


def page_of_branch(
    connection: Connection,
    user_id: UUID,
    branch: tuple[UUID, UUID],
    parameters: PageParameters,
    *,
    last_first: bool,
) -> tuple[list[AnyRow], str | None]:
    """A page of the messages that lead to a leaf; `branch` is the conversation and the leaf."""
    conversation_id, leaf_id = branch
    ids = _BRANCH.bindparams(leaf=leaf_id, conversation=conversation_id, owner=user_id)
    statement = _READ.where(messages_of(user_id), Message.id.in_(ids.columns(column("id", Uuid))))
    keys = parse_sort("-depth" if last_first else "depth", _SORTS, Message.id)
    return paginate_rows(connection, statement, keys, parameters, context=f"branch {user_id} {branch}")


def page_of_all(
    connection: Connection,
    user_id: UUID,
    conversation_id: UUID,
    parameters: PageParameters,
    *,
    last_first: bool,
) -> tuple[list[AnyRow], str | None]:
    """A page of all messages of a conversation, in the order in which they were said."""
    statement = _READ.where(messages_of(user_id), Message.conversation_id == conversation_id)
    keys = parse_sort("-id" if last_first else "id", _SORTS, Message.id)
    context = f"messages {user_id} {conversation_id}"
    return paginate_rows(connection, statement, keys, parameters, context=context)


def some_after(
    connection: Connection, user_id: UUID, conversation_id: UUID, after: UUID | None, most: Most
) -> Sequence[AnyRow]:
    """Some messages of a conversation after one, in the order in which they were said; none is the end."""
    mine = _READ.where(messages_of(user_id), Message.conversation_id == conversation_id)
    if after is not None:
        mine = mine.where(Message.id > after)
    return connection.execute(at_most(mine, Message.id, Message.id.asc(), _TEXTS, most)).all()


def some_of_branch(
    connection: Connection | Session, user_id: UUID, branch: tuple[UUID, UUID], depth: int, most: Most
) -> Sequence[AnyRow]:
    """Some messages of the branch to a leaf, from a depth on; none is the end."""
    conversation_id, leaf_id = branch
    ids = _BRANCH.bindparams(leaf=leaf_id, conversation=conversation_id, owner=user_id)
    mine = _READ.where(messages_of(user_id), Message.id.in_(ids.columns(column("id", Uuid))))
    deeper = mine.where(Message.depth >= depth)
    return connection.execute(at_most(deeper, Message.id, Message.depth.asc(), _TEXTS, most)).all()


def history(
    connection: Connection | Session, user_id: UUID, branch: tuple[UUID, UUID], octets: int
) -> Sequence[AnyRow]:
    """The latest messages of a branch, oldest first: as many as it takes to have so many bytes, or all."""
    conversation_id, leaf_id = branch
    given = {"leaf": leaf_id, "conversation": conversation_id, "owner": user_id, "octets": octets}
    return connection.execute(_HISTORY, given).all()


def add(session: Session, values: dict[str, Any]) -> None:
    """A new message."""
    session.execute(insert(Message).values(**values))
