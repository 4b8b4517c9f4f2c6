"""The rules of conversations: begun, listed, described, deleted."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.conditional import match_if_given, require_match, set_etag
from common.database import AnyRow
from common.errors import NotFound
from common.ids import new_id
from common.pagination import Page, PageParameters
from functions.ai.conversation_problems import UnknownMessage
from functions.ai.models import named_or_default
from functions.ai.repository import conversations as stored
from functions.ai.repository import messages
from functions.ai.repository.conversations import Filters
from functions.ai.schemas.conversations import (
    ConversationChange,
    ConversationCreate,
    ConversationQuery,
    ConversationRead,
)


def create(session: Session, user: Principal, wanted: ConversationCreate) -> ConversationRead:
    """Begin a conversation, in which nothing is said yet. Raises NoDefaultModel."""
    model = named_or_default(session, wanted.model, "chat")
    conversation_id = stored.add(
        session,
        {
            "id": new_id(),
            "owner_id": user.user_id,
            "title": wanted.title,
            "titled_by": "person" if wanted.title else None,
            "model": model,
            "system": wanted.system,
            "parameters": wanted.parameters.model_dump(exclude_none=True),
        },
    )
    return _read(stored.read(session, user.user_id, conversation_id))


def list_conversations(
    connection: Connection, user: Principal, query: ConversationQuery, page: PageParameters
) -> Page[ConversationRead]:
    """The caller's conversations that every filter fits."""
    rows, cursor = stored.page(connection, user.user_id, Filters(**query.model_dump()), page)
    return Page(items=[ConversationRead.model_validate(row) for row in rows], next_cursor=cursor)


def read(connection: Connection, user: Principal, conversation_id: UUID) -> ConversationRead:
    """A conversation, with its ETag. Raises NotFound."""
    return _read(stored.read(connection, user.user_id, conversation_id))


def _read(row: AnyRow | None) -> ConversationRead:
    if row is None:
        raise NotFound
    set_etag(row.version)
    return ConversationRead.model_validate(row)


def change(
    session: Session,
    user: Principal,
    conversation_id: UUID,
    wanted: ConversationChange,
    if_match: str | None,
) -> ConversationRead:
    """Change a conversation. Raises NotFound, PreconditionRequired, PreconditionFailed, UnknownMessage."""
    held = stored.hold(session, user.user_id, conversation_id)
    if held is None:
        raise NotFound
    require_match(if_match, held.version)
    leaf_id = wanted.leaf_id
    if leaf_id is not None and messages.read(session, user.user_id, conversation_id, leaf_id) is None:
        raise UnknownMessage(errors=[_pointed("leaf_id")])
    values = {name: value for name, value in _wanted(held, wanted).items() if value != getattr(held, name)}
    if values:
        stored.change(session, conversation_id, values)
    return _read(stored.read(session, user.user_id, conversation_id))


def _wanted(held: AnyRow, wanted: ConversationChange) -> dict[str, Any]:
    named = wanted.model_dump(include={"title", "pinned", "model", "system", "leaf_id"}, exclude_none=True)
    if "title" in named:
        named["titled_by"] = "person"
    if wanted.parameters is not None:
        named["parameters"] = json.loads(wanted.parameters.model_dump_json(exclude_none=True))
    if wanted.archived is not None and wanted.archived != (held.archived_at is not None):
        named["archived_at"] = datetime.now(UTC) if wanted.archived else None
    return named


def _pointed(name: str) -> dict[str, str]:
    return {"pointer": f"#/{name}", "code": UnknownMessage.code, "detail": "is no message of it"}


def delete(session: Session, user: Principal, conversation_id: UUID, if_match: str | None) -> None:
    """Delete a conversation with all that was said in it. Raises NotFound, PreconditionFailed.

    Whoever generates in it ends within a moment, as there is nothing left to write to.
    """
    held = stored.hold(session, user.user_id, conversation_id)
    if held is None:
        raise NotFound
    match_if_given(if_match, held.version)
    stored.remove(session, conversation_id)
    audit.record(
        session, "conversation.deleted", subject_id=user.user_id, conversation_id=str(conversation_id)
    )
