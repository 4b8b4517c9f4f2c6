"""Conversations to keep: as JSON with all branches, as Markdown the one that is shown.

They are read and sent in pieces: held at once are at most 100 messages, whose text is less than 1 MiB and
one message, and of one of those its JSON.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from common.access import Principal
from common.database import AnyRow, in_reading
from common.errors import NotFound
from functions.ai.repository import conversations, messages
from functions.ai.repository.amounts import Most
from functions.ai.schemas.conversations import ConversationRead, ExportFormat, MessageRead

SOME: Final = Most(rows=100, octets=1024 * 1024)


@dataclass(frozen=True, slots=True)
class Export:
    """A file: its name in ASCII, its type, and its content."""

    name: str
    media_type: str
    pieces: AsyncGenerator[str]


async def export(user: Principal, conversation_id: UUID, kind: ExportFormat) -> Export:
    """A conversation as a file, read piece by piece. Raises NotFound."""
    row = await in_reading(lambda connection: conversations.read(connection, user.user_id, conversation_id))
    if row is None:
        raise NotFound
    if kind == "json":
        return Export(f"conversation-{row.id}.json", "application/json", _json(user, row))
    return Export(f"conversation-{row.id}.md", "text/markdown; charset=utf-8", _markdown(user, row))


async def _json(user: Principal, conversation: AnyRow) -> AsyncGenerator[str]:
    head = ConversationRead.model_validate(conversation).model_dump(mode="json", exclude={"version"})
    yield json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}") + ',\n  "messages": [\n'
    after: UUID | None = None
    while True:

        def read(connection: Connection, after: UUID | None = after) -> list[AnyRow]:
            return list(messages.some_after(connection, user.user_id, conversation.id, after, SOME))

        rows = await in_reading(read)
        for row in rows:
            told = MessageRead.model_validate(row).model_dump(mode="json")
            yield ("" if after is None else ",\n") + json.dumps(told, ensure_ascii=False)
            after = row.id
        if not rows:
            break
    yield "\n  ]\n}\n"


async def _markdown(user: Principal, conversation: AnyRow) -> AsyncGenerator[str]:
    yield f"# {conversation.title or 'A conversation'}\n"
    if conversation.system:
        yield f"\n> {conversation.system.replace(chr(10), chr(10) + '> ')}\n"
    if conversation.leaf_id is None:
        return
    branch, depth = (conversation.id, conversation.leaf_id), 0
    while True:

        def read(connection: Connection, depth: int = depth) -> list[AnyRow]:
            return list(messages.some_of_branch(connection, user.user_id, branch, depth, SOME))

        rows = await in_reading(read)
        for row in rows:
            yield f"\n## {_speaker(row)}\n\n{row.content}\n"
            depth = row.depth + 1
        if not rows:
            return


def _speaker(row: AnyRow) -> str:
    if row.role == "user":
        return "You"
    return str(row.model) if row.state == "done" else f"{row.model} ({row.state})"
