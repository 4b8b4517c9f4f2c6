from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header, Path, Query, Request
from starlette.responses import Response

from common.access import Principal, requires
from common.database import Reading
from common.errors import NotFound, Unavailable, problems
from common.idempotency import Idempotent
from common.ollama import ModelNotFound
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.ai import following, messages
from functions.ai.conversation_problems import (
    AnswerUnfinished,
    BrokenEventId,
    ConversationMoved,
    ConversationTooLong,
    TooManyListeners,
    UnknownMessage,
)
from functions.ai.endpoints.event_streams import DESCRIBED, MessageEvents, wants_whole
from functions.ai.endpoints.streams import while_connected
from functions.ai.quotas import QuotaExceeded
from functions.ai.schemas.conversations import (
    MessageCreate,
    MessageQuery,
    MessageRead,
    Regeneration,
    Started,
)
from functions.ai.turns import AiBusy

router = Router(prefix="/v1/ai/conversations/{conversation_id}/messages", tags=["ai"])

User = Annotated[Principal, requires("ai:use")]
ConversationId = Annotated[UUID, Path(description="The id of a conversation.")]
MessageId = Annotated[UUID, Path(description="The id of a message.")]
_OF_ADMISSIONS: Final = (ModelNotFound, QuotaExceeded, AiBusy, TooManyListeners, Unavailable)
_STREAMED: Final[dict[int | str, dict[str, Any]]] = {200: DESCRIBED}


@router.get(
    "", operation_id="list_messages", summary="Read what was said", responses=problems(NotFound, BrokenCursor)
)
def list_messages(
    conversation_id: ConversationId,
    query: Annotated[MessageQuery, Query()],
    user: User,
    page: PageQuery,
    db: Reading,
) -> Page[MessageRead]:
    """The messages that lead to a leaf, or all of all branches; the first of them first."""
    return messages.list_messages(db, user, conversation_id, query, page)


@router.post(
    "",
    operation_id="create_message",
    summary="Say something, and have it answered",
    response_model=MessageRead,
    dependencies=[Idempotent],
    responses=_STREAMED
    | problems(
        *(NotFound, UnknownMessage, AnswerUnfinished, ConversationMoved, ConversationTooLong),
        *_OF_ADMISSIONS,
    ),
)
async def create_message(
    conversation_id: ConversationId, body: MessageCreate, user: User, request: Request
) -> MessageRead | Response:
    """What you say is stored, and so is the answer, while it streams: `docs/ai.md` has the protocol.

    A client that leaves does not end it; it may come back to its events within 60 s. With `stream` false the
    answer comes whole, in whatever state it ended.
    """
    started = await messages.say(user, conversation_id, body, partial(while_connected, request))
    return await _answer(request, user, started, stream=body.stream)


@router.get(
    "/{message_id:uuid}", operation_id="read_message", summary="Read a message", responses=problems(NotFound)
)
def read_message(
    conversation_id: ConversationId, message_id: MessageId, user: User, db: Reading
) -> MessageRead:
    """One message. While it is `streaming`, its text is in its events."""
    return messages.read(db, user, conversation_id, message_id)


@router.post(
    "/{message_id:uuid}/regenerate",
    operation_id="regenerate_message",
    summary="Have something answered another time",
    response_model=MessageRead,
    dependencies=[Idempotent],
    responses=_STREAMED | problems(NotFound, *_OF_ADMISSIONS),
)
async def regenerate_message(
    conversation_id: ConversationId, message_id: MessageId, body: Regeneration, user: User, request: Request
) -> MessageRead | Response:
    """Another answer beside the one that there is, which stays: they are branches. Streams as the first."""
    waiting = partial(while_connected, request)
    started = await messages.regenerate(user, conversation_id, message_id, body, waiting)
    return await _answer(request, user, started, stream=body.stream)


@router.post(
    "/{message_id:uuid}/stop",
    operation_id="stop_message",
    summary="Stop an answer",
    responses=problems(NotFound, Unavailable),
)
async def stop_message(conversation_id: ConversationId, message_id: MessageId, user: User) -> MessageRead:
    """End it, wherever it is generated, and keep what was said. `state` says how it ended."""
    return await following.stop(user, conversation_id, message_id)


@router.get(
    "/{message_id:uuid}/events",
    operation_id="read_message_events",
    summary="Listen to an answer, also again",
    response_class=Response,
    responses={
        200: DESCRIBED,
        204: {"description": "You have read the last event."},
        **problems(NotFound, BrokenEventId, TooManyListeners, Unavailable),
    },
)
async def read_message_events(
    conversation_id: ConversationId,
    message_id: MessageId,
    user: User,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=64, description="The id of the last event that you read."),
    ] = None,
    last_event: Annotated[
        str | None,
        Query(alias="last_event_id", max_length=64, description="The same, where no header can be set."),
    ] = None,
) -> Response:
    """The events after the one that you read last, or all. After its end they are kept for 60 s.

    Later there is the whole text as one event `snapshot`.
    """
    number = following.parse_event_id(last_event_id or last_event, message_id)
    events = await following.follow(user, conversation_id, message_id, number)
    return Response(status_code=204) if events is None else MessageEvents(message_id, events)


async def _answer(
    request: Request, user: Principal, started: Started, *, stream: bool | None
) -> MessageRead | Response:
    # One that was said before has its listeners, whoever repeats it.
    following.require_room(started.message_id)
    if wants_whole(request, stream):
        ended = following.until_end(user, started.conversation_id, started.message_id)
        return await while_connected(request, ended)
    events = await following.follow_new(user, started)
    return Response(status_code=204) if events is None else MessageEvents(started.message_id, events)
