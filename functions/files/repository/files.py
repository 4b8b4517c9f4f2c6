"""Files: read with their content, written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import File, FileContent
from common.pagination import PageParameters, paginate_rows, parse_sort
from functions.files.repository.visibility import by_signed_link, visible_to

_READ: Final = select(
    File.id,
    File.name,
    File.media_type,
    File.size,
    File.description,
    File.tags,
    File.custom,
    File.created_at,
    File.updated_at,
    File.version,
    File.trashed_at,
    File.content_id,
    File.owner_id,
    FileContent.state,
    FileContent.object_key,
    FileContent.rejection,
    FileContent.rejection_detail,
    FileContent.width,
    FileContent.height,
    FileContent.frames,
    FileContent.pages,
    FileContent.colours,
    FileContent.thumbhash,
    FileContent.camera,
    FileContent.taken_at,
    FileContent.removed,
    FileContent.renditions,
).join(FileContent, FileContent.id == File.content_id)

SORTS: Final = {"created_at": File.created_at, "name": File.name, "size": File.size}
TRASH_SORTS: Final = {"trashed_at": File.trashed_at}
_WILDCARD: Final = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which files; None says nothing. `type` is `image`, or `image/png`; `q` is within the name.

    The trash is a list of its own, in an order of its own.
    """

    type: str | None = None
    tag: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    q: str | None = None
    trashed: bool = False


def read(connection: Connection | Session, user_id: UUID, file_id: UUID) -> AnyRow | None:
    """A file with its content, also one in the trash."""
    return connection.execute(_READ.where(File.id == file_id, visible_to(user_id))).first()


def read_public(connection: Connection, file_id: UUID) -> AnyRow | None:
    """A file with its content, for whoever has a link that was signed for it."""
    return connection.execute(_READ.where(by_signed_link(file_id))).first()


def page(
    connection: Connection, user_id: UUID, filters: Filters, sort: str, parameters: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of files, and the cursor of the next."""
    statement = _READ.where(visible_to(user_id), *_conditions(filters))
    keys = parse_sort(sort, TRASH_SORTS if filters.trashed else SORTS, File.id)
    return paginate_rows(connection, statement, keys, parameters, context=f"files {user_id} {filters}")


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    yield File.trashed_at.is_not(None) if filters.trashed else File.trashed_at.is_(None)
    if filters.type is not None:
        family, whole, _ = filters.type.partition("/")
        yield File.family == family
        if whole:
            yield File.media_type == filters.type
    if filters.tag is not None:
        yield File.tags.contains([filters.tag])
    if filters.size_min is not None:
        yield File.size >= filters.size_min
    if filters.size_max is not None:
        yield File.size <= filters.size_max
    if filters.created_after is not None:
        yield File.created_at > filters.created_after
    if filters.created_before is not None:
        yield File.created_at < filters.created_before
    if filters.q is not None:
        pattern = _WILDCARD.sub(r"\\\1", filters.q)
        yield func.lower(File.name).like(func.lower(f"%{pattern}%"))


def add(session: Session, values: dict[str, Any]) -> UUID:
    """A new file; its id."""
    return session.execute(insert(File).values(**values).returning(File.id)).scalar_one()


def hold(session: Session, user_id: UUID, file_id: UUID) -> AnyRow | None:
    """A file without its content, held for the rest of the transaction."""
    held = select(*File.__table__.columns)
    return session.execute(held.where(File.id == file_id, visible_to(user_id)).with_for_update()).first()


def change(session: Session, file_id: UUID, values: dict[str, Any]) -> None:
    """Change a file, which gets a new version."""
    session.execute(
        update(File)
        .where(File.id == file_id)
        .values(**values, version=File.version + 1, updated_at=func.now())
    )


def remove(session: Session, file_id: UUID) -> None:
    """Delete the row."""
    session.execute(delete(File).where(File.id == file_id))


def long_in_trash(session: Session, kept: timedelta, limit: int) -> Sequence[AnyRow]:
    """Files that the trash need not keep any longer."""
    old = select(File.id, File.owner_id).where(File.trashed_at < func.now() - kept)
    return session.execute(old.order_by(File.trashed_at).limit(limit)).all()


def is_long_in_trash(session: Session, file_id: UUID, kept: timedelta) -> bool:
    """Whether the trash need not keep this file any longer."""
    old = select(File.id).where(File.id == file_id, File.trashed_at < func.now() - kept)
    return session.scalar(old) is not None


def some_of(session: Session, user_id: UUID, limit: int) -> Sequence[UUID]:
    """The ids of some files of an owner."""
    return session.scalars(select(File.id).where(visible_to(user_id)).limit(limit)).all()
