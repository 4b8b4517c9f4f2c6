"""Files: read with their content, written."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import File, FileContent
from functions.files.repository.visibility import by_signed_link, visible_to

WITH_CONTENT: Final = select(
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
"""Every file, and what is known of its content."""


def read(connection: Connection | Session, user_id: UUID, file_id: UUID) -> AnyRow | None:
    """A file with its content, also one in the trash."""
    return connection.execute(WITH_CONTENT.where(File.id == file_id, visible_to(user_id))).first()


def read_public(connection: Connection, file_id: UUID) -> AnyRow | None:
    """A file with its content, for whoever has a link that was signed for it."""
    return connection.execute(WITH_CONTENT.where(by_signed_link(file_id))).first()


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
