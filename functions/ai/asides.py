"""What a job asks a model about a conversation, which is not a part of it: a title, a summary."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.jobs import JobContext
from common.logs import get_logger
from common.ollama import ModelNotFound, ModelRefused
from functions.ai import quotas
from functions.ai.context import room_for
from functions.ai.generation import OllamaChat, Tally, generate
from functions.ai.model_names import canonical
from functions.ai.repository import conversations, messages, models, reservations, summaries
from functions.ai.repository.amounts import Most

log = get_logger(__name__)

_TITLE: Final = (
    "Give the conversation below a title of at most six words, in its own language."
    " Answer with the title alone, without quotation marks."
)
_SUMMARY: Final = (
    "Summarise the conversation below for whoever goes on with it, in its own language and in at"
    " most 300 words. Keep names, numbers, decisions and open questions. Answer with the summary alone."
)
_MOST_OF_A_TITLE: Final = 100
_TITLE_TOKENS: Final = 40
_SUMMARY_TOKENS: Final = 600
_OCTETS_A_TOKEN: Final = 3
"""Fewer than there are: what is sent has to fit."""
_FIRST_CHARACTERS: Final = 4_000
_EXCHANGE: Final = Most(rows=2, octets=1024 * 1024)
_SECONDS: Final = 100.0
"""Less than the jobs may take."""


def title_conversation(job: JobContext) -> None:
    """Give a conversation a title, after its first exchange; never over one of a person's."""
    conversation_id = UUID(job.payload["conversation_id"])
    asked = job.transaction(lambda session: _first_exchange(session, conversation_id))
    if asked is None:
        return
    owner_id, model, said = asked
    chat = OllamaChat(model, _instructed(_TITLE, said), {"num_predict": _TITLE_TOKENS})
    if title := _line(_ask(job, owner_id, chat)):
        job.finish_with(lambda session: conversations.entitle(session, conversation_id, title))


def summarise_conversation(job: JobContext) -> None:
    """Keep in short what was said up to a message, building on the summary before it."""
    conversation_id, message_id = UUID(job.payload["conversation_id"]), UUID(job.payload["message_id"])
    chat = OllamaChat(str(job.payload["model"]), [], {"num_predict": _SUMMARY_TOKENS})
    octets = room_for(chat.num_ctx, _SUMMARY_TOKENS) * _OCTETS_A_TOKEN
    found = job.transaction(
        lambda session: _to_summarise(session, conversation_id, message_id, octets, chat.model)
    )
    if found is None:
        return
    owner_id, model, said = found
    chat = replace(chat, model=model, messages=_instructed(_SUMMARY, said))
    if summary := _ask(job, owner_id, chat).strip():
        job.finish_with(lambda session: summaries.add(session, message_id, owner_id, summary, chat.model))


def _first_exchange(session: Session, conversation_id: UUID) -> tuple[UUID, str, str] | None:
    """Whose it is, whom to ask, and what was said; None where no title is wanted any more."""
    held = conversations.read_any(session, conversation_id)
    if held is None or held.title is not None or held.leaf_id is None:
        return None
    branch = (conversation_id, held.leaf_id)
    rows = messages.some_of_branch(session, held.owner_id, branch, 0, _EXCHANGE)
    text = "\n\n".join(f"{row.role}: {row.content[:_FIRST_CHARACTERS]}" for row in rows)
    model = _whom(session, held.owner_id, "title", (rows[-1].model, held.model))
    return None if model is None else (held.owner_id, model, text)


def _to_summarise(
    session: Session, conversation_id: UUID, message_id: UUID, octets: int, model: str
) -> tuple[UUID, str, str] | None:
    """Whose it is, whom to ask, and what was said; None where it is done, or nobody needs it any more."""
    held = conversations.read_any(session, conversation_id)
    if held is None or summaries.exists(session, message_id):
        return None
    before = summaries.latest(session, held.owner_id, conversation_id, message_id)
    rows = messages.history(session, held.owner_id, (conversation_id, message_id), octets)
    said = [f"{row.role}: {row.content}" for row in rows if before is None or row.depth > before.depth]
    asked = _whom(session, held.owner_id, "summary", (model, held.model))
    if not said or asked is None:
        return None
    begin = [] if before is None else [f"Before: {before.content}"]
    return held.owner_id, asked, "\n\n".join([*begin, *_latest(said, octets)])


def _whom(session: Session, owner_id: UUID, task: str, named: Sequence[str | None]) -> str | None:
    """The model of this task, or the first of those named that its owner may use; None where there is none.

    An answer that failed names its model as others do, also one that was as though it was not there.
    """
    return models.default_for(session, task) or next(
        (each for each in named if each and not models.hidden(session, owner_id, canonical(each))), None
    )


def _latest(said: Sequence[str], octets: int) -> list[str]:
    """The latest of them that have so many bytes together; of the last one as much."""
    found: list[str] = []
    for text in reversed(said):
        encoded = text.encode()
        if len(encoded) > octets and found:
            break
        found.insert(0, encoded[:octets].decode(errors="ignore"))
        octets -= len(encoded)
    return found


def _instructed(instruction: str, said: str) -> list[dict[str, str]]:
    # The order comes last as well: what people and models said may hold orders of its own.
    content = f"{said}\n\n---\n{instruction}"
    return [{"role": "system", "content": instruction}, {"role": "user", "content": content}]


def _ask(job: JobContext, owner_id: UUID, chat: OllamaChat) -> str:
    """What the model answers; nothing where it cannot, or where its owner has no tokens left for it.

    It is no request of the owner's, but its tokens are. Raises what else `generate` raises, TimeoutError.
    """
    if not job.transaction(lambda session: _has_room(session, owner_id, chat)):
        log.info("aside_not_asked", model=chat.model, problem=quotas.QuotaExceeded.code)
        return ""
    tally = Tally(chat)
    try:
        return asyncio.run(_answer(chat, tally))
    except (ModelNotFound, ModelRefused) as error:
        # Another attempt would not help, and nobody waits for it.
        log.info("aside_not_answered", model=chat.model, problem=error.code)
        return ""
    finally:
        job.transaction(lambda session: _count(session, owner_id, tally, canonical(chat.model)))


def _has_room(session: Session, owner_id: UUID, chat: OllamaChat) -> bool:
    standings = quotas.applying(reservations.standing(session, owner_id, None, canonical(chat.model)))
    left = quotas.tokens_left(standings)
    return left is None or left >= chat.prompt_tokens + int(chat.options["num_predict"])


def _count(session: Session, owner_id: UUID, tally: Tally, model: str) -> None:
    if tally.prompt_tokens or tally.completion_tokens:
        reservations.count_tokens(session, owner_id, model, tally.prompt_tokens, tally.completion_tokens)


async def _answer(chat: OllamaChat, tally: Tally) -> str:
    said: list[str] = []
    # Not every model stops where it is told to.
    most = 2 * int(chat.options["num_predict"])
    async with asyncio.timeout(_SECONDS), aclosing(generate(chat)) as parts:
        async for part in parts:
            tally.add(part)
            said.append(part.content)
            if len(said) >= most:
                break
    return "".join(said)


def _line(text: str) -> str:
    """A title: one line, without what models put around it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    plain = "".join(each for each in first if each.isprintable())
    return plain.strip(" \t#*\"'“”„«».").strip()[:_MOST_OF_A_TITLE]
