"""The rules of what is said: a message and its answer, other answers, and their streams."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common.access import Principal
from common.context import current_context
from common.database import AnyRow, answer_in_transaction, in_reading
from common.errors import NotFound
from common.ids import new_id
from common.jobs import enqueue
from common.pagination import Page, PageParameters
from functions.ai import context
from functions.ai.admission import Admission, admitted
from functions.ai.context import Branch, Context
from functions.ai.conversation_problems import (
    AnswerUnfinished,
    ConversationMoved,
    ConversationTooLong,
    UnknownMessage,
)
from functions.ai.generation import OllamaChat
from functions.ai.repository import conversations, generations
from functions.ai.repository import messages as stored
from functions.ai.schemas.conversations import (
    MessageCreate,
    MessageQuery,
    MessageRead,
    Parameters,
    Regeneration,
    Started,
)
from functions.ai.streaming.host import current_host
from functions.ai.streaming.running import Order

MOST_DEEP: Final = 2_000
SUMMARY_TASK: Final = "summarise_conversation"

type Waiting = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
"""Awaits something for as long as somebody waits for it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants after the message `parent_id`, `depth` messages down its branch.

    `follows_leaf` says that it was not named, and is the last of the conversation.
    """

    wanted: MessageCreate | Regeneration
    parent_id: UUID | None
    depth: int
    follows_leaf: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be stored and asked; without `content` the message before is answered another time."""

    conversation_id: UUID
    asked: Asked
    content: str | None
    parameters: Parameters
    chat: OllamaChat
    context: Context
    untitled: bool


type Make = Callable[[Connection, int | None], Plan]
"""Plans, for a context of so many tokens, or of as many as there are unless something else is settled."""


async def say(user: Principal, conversation_id: UUID, wanted: MessageCreate, waiting: Waiting) -> Started:
    """Store what is said, and have it answered from now on.

    Raises NotFound, UnknownMessage, AnswerUnfinished, ConversationMoved, ConversationTooLong, and what an
    admission raises.
    """

    def plan(connection: Connection, num_ctx: int | None) -> Plan:
        held = _conversation(connection, user, conversation_id)
        follows_leaf = "parent_id" not in wanted.model_fields_set
        parent_id = held.leaf_id if follows_leaf else wanted.parent_id
        depth = _depth_after(connection, user, conversation_id, parent_id)
        asked = Asked(wanted, parent_id, depth, follows_leaf=follows_leaf)
        return _plan(connection, held, asked, num_ctx)

    return await _begin(user, plan, waiting)


async def regenerate(
    user: Principal, conversation_id: UUID, message_id: UUID, wanted: Regeneration, waiting: Waiting
) -> Started:
    """Have a message answered another time: it is an answer, or what was answered. Raises as `say`."""

    def plan(connection: Connection, num_ctx: int | None) -> Plan:
        held = _conversation(connection, user, conversation_id)
        row = stored.read(connection, user.user_id, conversation_id, message_id)
        if row is not None and row.role == "assistant":
            row = stored.read(connection, user.user_id, conversation_id, row.parent_id)
        if row is None:
            raise NotFound
        asked = Asked(wanted, row.id, row.depth + 1, follows_leaf=False)
        return _plan(connection, held, asked, num_ctx)

    return await _begin(user, plan, waiting)


def _conversation(connection: Connection, user: Principal, conversation_id: UUID) -> AnyRow:
    held = conversations.read(connection, user.user_id, conversation_id)
    if held is None:
        raise NotFound
    return held


def _depth_after(
    connection: Connection, user: Principal, conversation_id: UUID, parent_id: UUID | None
) -> int:
    if parent_id is None:
        return 0
    parent = stored.read(connection, user.user_id, conversation_id, parent_id)
    if parent is None or parent.role != "assistant":
        told = {"pointer": "#/parent_id", "code": UnknownMessage.code, "detail": "is no answer in it"}
        raise UnknownMessage(errors=[told])
    if parent.state == "streaming":
        raise AnswerUnfinished
    if parent.depth >= MOST_DEEP:
        raise ConversationTooLong
    return int(parent.depth) + 1


def _plan(connection: Connection, held: AnyRow, asked: Asked, num_ctx: int | None) -> Plan:
    wanted = asked.wanted
    content = wanted.content if isinstance(wanted, MessageCreate) else None
    parameters = wanted.parameters or Parameters(**held.parameters)
    options = _options(parameters) if num_ctx is None else _options(parameters) | {"num_ctx": num_ctx}
    chat = OllamaChat(wanted.model or held.model, [], options, think=parameters.think)
    branch = Branch(held.owner_id, held.id, asked.parent_id)
    room = context.room_for(chat.num_ctx, parameters.max_tokens)
    sent = context.assemble(connection, branch, held.system, content, room)
    chat.messages.extend(sent.messages)
    return Plan(held.id, asked, content, parameters, chat, sent, untitled=held.title is None)


def _options(parameters: Parameters) -> dict[str, Any]:
    given = parameters.model_dump(exclude_none=True, exclude={"think", "max_tokens"})
    return given if parameters.max_tokens is None else given | {"num_predict": parameters.max_tokens}


async def _begin(user: Principal, make: Make, waiting: Waiting) -> Started:
    """Plan, be admitted, store, and start; a repetition of an answered request gives what that one began."""
    host = current_host()
    async with AsyncExitStack() as leaving:
        made: list[tuple[Plan, Admission]] = []

        async def before() -> None:
            made.append(await _admit(user, make, waiting, leaving))

        def store(session: Session) -> Started:
            return _store(session, user, *made[0], host.process_id)

        answer: Any = await answer_in_transaction(store, before)
        if not isinstance(answer, Started):
            # Said before, under the same Idempotency-Key: this is the response that was stored.
            current_context().response_headers["Idempotency-Replayed"] = "true"
            return Started.model_validate(json.loads(answer.body))
        [(plan, admission)] = made
        order = Order(answer.message_id, plan.conversation_id, user.user_id, plan.chat, plan.untitled)
        host.start(order, admission, leaving.pop_all())
    return answer


async def _admit(
    user: Principal, make: Make, waiting: Waiting, leaving: AsyncExitStack
) -> tuple[Plan, Admission]:
    plan = await in_reading(lambda connection: make(connection, None))
    leave = admitted(
        user,
        model=plan.chat.model,
        prompt_tokens=plan.chat.prompt_tokens,
        max_tokens=plan.parameters.max_tokens,
        is_told_later=True,
    )
    # It may have to queue; who goes away meanwhile has said nothing.
    admission: Admission = await waiting(leaving.enter_async_context(leave))
    num_ctx = admission.num_ctx
    if num_ctx is not None and num_ctx != plan.chat.num_ctx:
        plan = await in_reading(lambda connection: make(connection, num_ctx))
    if admission.num_predict is not None:
        plan.chat.options["num_predict"] = admission.num_predict
    return plan, admission


def _store(session: Session, user: Principal, plan: Plan, admission: Admission, process_id: UUID) -> Started:
    held = conversations.hold(session, user.user_id, plan.conversation_id)
    if held is None:
        raise NotFound
    if plan.asked.follows_leaf and held.leaf_id != plan.asked.parent_id:
        raise ConversationMoved
    everyone = {"conversation_id": held.id, "owner_id": user.user_id}
    asked_id, depth = plan.asked.parent_id, plan.asked.depth
    if plan.content is not None:
        asked_id = new_id()
        said = {"id": asked_id, "parent_id": plan.asked.parent_id, "role": "user", "content": plan.content}
        stored.add(session, {**everyone, **said, "depth": depth})
        depth += 1
    answer_id = new_id()
    answer = {"id": answer_id, "parent_id": asked_id, "depth": depth, **_answer_columns(plan)}
    stored.add(session, {**everyone, **answer})
    generation = {
        "message_id": answer_id,
        "process_id": process_id,
        "reservation_id": admission.reservation_id,
        "prompt_tokens": plan.chat.prompt_tokens,
    }
    generations.add(session, {**everyone, **generation})
    conversations.lead_to(session, held.id, answer_id)
    if plan.context.wants_summary is not None:
        upto = {"conversation_id": str(held.id), "message_id": str(plan.context.wants_summary)}
        enqueue(session, "ai", SUMMARY_TASK, {**upto, "model": plan.chat.model}, max_attempts=4)
    return Started(conversation_id=held.id, parent_id=asked_id, message_id=answer_id, model=plan.chat.model)


def _answer_columns(plan: Plan) -> dict[str, Any]:
    return {
        "role": "assistant",
        "state": "streaming",
        "model": plan.chat.model,
        "parameters": plan.parameters.model_dump(exclude_none=True),
        "left_out": plan.context.left_out,
    }


def list_messages(
    connection: Connection,
    user: Principal,
    conversation_id: UUID,
    query: MessageQuery,
    page: PageParameters,
) -> Page[MessageRead]:
    """The branch that leads to a leaf, or all that was said. Raises NotFound."""
    held = _conversation(connection, user, conversation_id)
    leaf_id, last_first = query.leaf_id or held.leaf_id, query.order == "desc"
    if query.branches:
        rows, cursor = stored.page_of_all(connection, user.user_id, held.id, page, last_first=last_first)
    elif leaf_id is None:
        rows, cursor = [], None
    else:
        branch = (held.id, leaf_id)
        rows, cursor = stored.page_of_branch(connection, user.user_id, branch, page, last_first=last_first)
    return Page(items=[MessageRead.model_validate(row) for row in rows], next_cursor=cursor)


def read(connection: Connection, user: Principal, conversation_id: UUID, message_id: UUID) -> MessageRead:
    """One message. Raises NotFound."""
    row = stored.read(connection, user.user_id, conversation_id, message_id)
    if row is None:
        raise NotFound
    return MessageRead.model_validate(row)
