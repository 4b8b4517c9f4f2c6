from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from common.access import Principal, requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import NotFound, PreconditionFailed, PreconditionRequired, Unavailable, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.ai import conversations, exports
from functions.ai.conversation_problems import UnknownMessage
from functions.ai.endpoints.exporting import DESCRIBED, exported
from functions.ai.models import NoDefaultModel
from functions.ai.schemas.conversations import (
    ConversationChange,
    ConversationCreate,
    ConversationQuery,
    ConversationRead,
    ExportFormat,
)

router = Router(prefix="/v1/ai/conversations", tags=["ai"])

User = Annotated[Principal, requires("ai:use")]
ConversationId = Annotated[UUID, Path(description="The id of a conversation.")]


@router.get(
    "",
    operation_id="list_conversations",
    summary="List your conversations",
    responses=problems(BrokenCursor),
)
def list_conversations(
    query: Annotated[ConversationQuery, Query()], user: User, page: PageQuery, db: Reading
) -> Page[ConversationRead]:
    """Your conversations, or those that every filter fits; those first in which something was said last."""
    return conversations.list_conversations(db, user, query, page)


@router.post(
    "",
    status_code=201,
    operation_id="create_conversation",
    summary="Begin a conversation",
    dependencies=[Idempotent],
    responses=problems(NoDefaultModel),
)
def create_conversation(body: ConversationCreate, user: User, db: Db) -> ConversationRead:
    """Settle who answers, and how; nothing is said yet."""
    return conversations.create(db, user, body)


@router.get(
    "/{conversation_id:uuid}",
    operation_id="read_conversation",
    summary="Read a conversation",
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound),
)
def read_conversation(conversation_id: ConversationId, user: User, db: Reading) -> ConversationRead:
    """What describes it, with its ETag; what was said is in its messages."""
    return conversations.read(db, user, conversation_id)


@router.patch(
    "/{conversation_id:uuid}",
    operation_id="change_conversation",
    summary="Rename, pin or archive a conversation, or change who answers",
    responses=problems(NotFound, UnknownMessage, PreconditionFailed, PreconditionRequired),
)
def change_conversation(
    conversation_id: ConversationId, body: ConversationChange, user: User, db: Db, if_match: IfMatch = None
) -> ConversationRead:
    """Change what you name in the body. `If-Match`: the version you read, which each message changes."""
    return conversations.change(db, user, conversation_id, body, if_match)


@router.delete(
    "/{conversation_id:uuid}",
    status_code=204,
    operation_id="delete_conversation",
    summary="Delete a conversation",
    responses=problems(NotFound, PreconditionFailed),
)
def delete_conversation(
    conversation_id: ConversationId, user: User, db: Db, if_match: IfMatch = None
) -> None:
    """Delete it with all that was said in it, for good. An answer that is under way is ended."""
    conversations.delete(db, user, conversation_id, if_match)


@router.get(
    "/{conversation_id:uuid}/export",
    operation_id="export_conversation",
    summary="Export a conversation",
    response_class=Response,
    responses={200: DESCRIBED, **problems(NotFound, Unavailable)},
)
async def export_conversation(
    conversation_id: ConversationId,
    user: User,
    kind: Annotated[
        ExportFormat,
        Query(alias="format", description="`json`: all branches; `markdown`: the one that is shown."),
    ] = "json",
) -> Response:
    """All that was said, as a file to keep."""
    return exported(await exports.export(user, conversation_id, kind))
