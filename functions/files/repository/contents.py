"""Contents: what files consist of, and who still needs one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import File, FileContent

_COLUMNS = tuple(FileContent.__table__.columns)


def add(session: Session, values: dict[str, Any]) -> AnyRow | None:
    """A new content; None where the owner has the same bytes already."""
    made = insert(FileContent).values(**values).on_conflict_do_nothing().returning(*_COLUMNS)
    return session.execute(made).first()


def hold_equal(session: Session, owner_id: UUID, sha256: bytes) -> AnyRow | None:
    """The owner's content with these bytes, held so that it is not removed meanwhile."""
    equal = select(*_COLUMNS).where(
        FileContent.owner_id == owner_id,
        FileContent.uploaded_sha256 == sha256,
        FileContent.state != "rejected",
    )
    return session.execute(equal.with_for_update()).first()


def hold(session: Session, content_id: UUID) -> AnyRow | None:
    """The content, held for the rest of the transaction."""
    return session.execute(select(*_COLUMNS).where(FileContent.id == content_id).with_for_update()).first()


def change(session: Session, content_id: UUID, values: dict[str, Any]) -> None:
    """Change it, and what its files repeat of it."""
    session.execute(
        update(FileContent)
        .where(FileContent.id == content_id)
        .values(**values, processed_at=datetime.now(UTC))
    )
    repeated = {name: values[name] for name in ("size", "media_type") if name in values}
    session.execute(
        update(File)
        .where(File.content_id == content_id)
        .values(**repeated, version=File.version + 1, updated_at=func.now())
    )


def is_needed(session: Session, content_id: UUID) -> bool:
    """Whether a file still has this content."""
    return bool(session.scalar(select(exists().where(File.content_id == content_id))))


def remove(session: Session, content_id: UUID) -> None:
    """Delete the row."""
    session.execute(delete(FileContent).where(FileContent.id == content_id))
