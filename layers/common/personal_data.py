"""The rights of a person: what each function keeps of one is exported and erased by jobs of its own.

A function in `common.functions.PERSONAL` has two tasks, `export_person` and `erase_person`, which hand over
to the functions of the same name here. Each runs in its function's own database role, ends in one transaction
with what it found or did, and then enqueues what `users` does when all are there. docs/personal-data.md says
how a function of one's own joins.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.database.faults import FOREIGN_KEY_VIOLATION, sqlstate
from common.database.transactions import AnyRow
from common.encrypted_columns import EXPORT_PART
from common.encryption import decrypt, encrypt
from common.functions import PERSONAL
from common.jobs import JobContext, enqueue
from common.logs import get_logger
from common.models import ErasureReport, ExportPart, User

log = get_logger(__name__)

ERASING: Final = "deleting"
_USERS: Final = "users"
# The bucket may be away for hours: 12 attempts take about three of them, 24 about sixteen.
_EXPORT_ATTEMPTS: Final = 12
_ERASE_ATTEMPTS: Final = 24


MOST_RECORDS: Final = 10_000
"""The newest so many of a kind are in an export, as its parts are made in memory."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One file of an export: `about` says to its reader what it is.

    `content` is JSON, in which times and ids may stand as they are. It has no bytes: what is stored as such
    is a digest or a ciphertext, and belongs into no export.
    """

    about: str
    content: Any


type Collect = Callable[[Session, UUID], Mapping[str, Topic]]
type Erase = Callable[[Session, UUID], Mapping[str, int]]


def records(rows: Iterable[AnyRow]) -> list[dict[str, Any]]:
    """Rows as the members of a topic."""
    return [row._asdict() for row in rows]


def start_export(session: Session, user_id: UUID, export_id: UUID) -> None:
    """Have each function write its part of an export."""
    _start(session, "export_person", {"user_id": str(user_id), "export_id": str(export_id)}, _EXPORT_ATTEMPTS)


def start_erasure(session: Session, user_id: UUID) -> None:
    """Have each function erase a person."""
    _start(session, "erase_person", {"user_id": str(user_id)}, _ERASE_ATTEMPTS)


def _start(session: Session, task: str, payload: dict[str, Any], attempts: int) -> None:
    # Named in the jobs: a function of a later release never knew this person, and is not waited for.
    payload |= {"functions": list(PERSONAL)}
    for function in PERSONAL:
        enqueue(session, function, task, payload, max_attempts=attempts)


def export_person(job: JobContext, collect: Collect) -> None:
    """Write what `collect` gives as this function's part of an export, once; the last part completes it.

    `collect` takes a session and the person's id. If it fails for good, the export fails.
    """
    try:
        _write_part(job, collect)
    except Exception as error:
        if job.is_lost_to(error):
            job.transaction(lambda session: enqueue(session, _USERS, "fail_export", job.payload))
        raise


def _write_part(job: JobContext, collect: Collect) -> None:
    function = job.held.function
    user_id, export_id = UUID(job.payload["user_id"]), UUID(job.payload["export_id"])

    def work(session: Session) -> None:
        part = encrypt(_pack(collect(session, user_id)), EXPORT_PART.context(export_id, function))
        # Without a target: naming one takes the right to read the table.
        session.execute(
            insert(ExportPart)
            .values(export_id=export_id, function=function, content=part)
            .on_conflict_do_nothing()
        )
        enqueue(session, _USERS, "assemble_export", job.payload, max_attempts=_EXPORT_ATTEMPTS)

    try:
        job.finish_with(work)
    except DBAPIError as error:
        if sqlstate(error) != FOREIGN_KEY_VIOLATION:
            raise
        # The person has been erased meanwhile, and the export with them.
        job.finish()


def erase_person(job: JobContext, erase: Erase) -> None:
    """Erase what this function keeps of a person, and report it, once; the last report completes the erasure.

    `erase` takes a session and the person's id, and gives how many there were of what it erased.
    """
    function, user_id = job.held.function, UUID(job.payload["user_id"])

    def work(session: Session) -> None:
        if session.scalar(select(User.state).where(User.id == user_id)) != ERASING:
            log.warning("erasure_skipped", user_id=str(user_id))
            return
        report = dict(erase(session, user_id))
        session.execute(
            insert(ErasureReport)
            .values(user_id=user_id, function=function, report=report)
            .on_conflict_do_nothing()
        )
        enqueue(session, _USERS, "finish_erasure", job.payload, max_attempts=_ERASE_ATTEMPTS)

    job.finish_with(work)


def read_parts(
    session: Session, export_id: UUID, functions: Collection[str]
) -> dict[str, dict[str, Topic]] | None:
    """The parts of an export by function, or None while one of `functions` is missing."""
    rows = session.execute(
        select(ExportPart.function, ExportPart.content)
        .where(ExportPart.export_id == export_id)
        .order_by(ExportPart.function)
    ).all()
    if set(functions) - {row.function for row in rows}:
        return None
    return {
        row.function: _unpack(decrypt(row.content, EXPORT_PART.context(export_id, row.function)))
        for row in rows
    }


def delete_parts(session: Session, export_id: UUID) -> None:
    """Delete the parts of an export."""
    session.execute(delete(ExportPart).where(ExportPart.export_id == export_id))


def reports(session: Session, user_id: UUID) -> dict[str, dict[str, Any]]:
    """What the functions erased of a person, by function."""
    rows = session.execute(
        select(ErasureReport.function, ErasureReport.report).where(ErasureReport.user_id == user_id)
    )
    return {row.function: row.report for row in rows}


def _plain(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
    raise TypeError(f"a {type(value).__name__} belongs into no export")


def _pack(topics: Mapping[str, Topic]) -> bytes:
    plain = {name: {"about": topic.about, "content": topic.content} for name, topic in topics.items()}
    # Piece by piece: as a whole, its text would be in memory twice more.
    packer, pieces = zlib.compressobj(), json.JSONEncoder(default=_plain).iterencode(plain)
    return b"".join([*(packer.compress(piece.encode()) for piece in pieces), packer.flush()])


def _unpack(packed: bytes) -> dict[str, Topic]:
    plain = json.loads(zlib.decompress(packed))
    return {name: Topic(topic["about"], topic["content"]) for name, topic in plain.items()}
