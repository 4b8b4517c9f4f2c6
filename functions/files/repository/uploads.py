"""Uploads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import Upload
from functions.files.repository.visibility import uploads_of

_COLUMNS = tuple(Upload.__table__.columns)


def add(session: Session, values: dict[str, Any], lifetime: timedelta) -> AnyRow:
    """A new upload."""
    made = insert(Upload).values(**values, expires_at=func.now() + lifetime).returning(*_COLUMNS)
    return session.execute(made).one()


def read(connection: Connection | Session, user_id: UUID, upload_id: UUID) -> AnyRow | None:
    """An upload, and whether its time is over."""
    statement = select(*_COLUMNS, (Upload.expires_at <= func.now()).label("is_over"))
    return connection.execute(statement.where(Upload.id == upload_id, uploads_of(user_id))).first()


def count_open(session: Session, user_id: UUID) -> int:
    """How many uploads of an owner are under way."""
    under_way = select(func.count()).where(uploads_of(user_id), Upload.state == "open")
    return session.scalar(under_way) or 0


def note_parts(session: Session, upload_id: UUID, bucket_upload_id: str) -> str | None:
    """Write down under which id the bucket collects the parts; the one that is valid.

    None where the upload has ended meanwhile.
    """
    session.execute(
        update(Upload)
        .where(Upload.id == upload_id, Upload.state == "open", Upload.bucket_upload_id.is_(None))
        .values(bucket_upload_id=bucket_upload_id)
    )
    valid = select(Upload.bucket_upload_id).where(Upload.id == upload_id, Upload.state == "open")
    return session.scalar(valid)


def claim(session: Session, upload_id: UUID, lease: timedelta) -> bool:
    """Begin to complete it; False where somebody else is at it, or it is open no more."""
    claimed = session.execute(
        update(Upload)
        .where(
            Upload.id == upload_id,
            Upload.state == "open",
            or_(Upload.claimed_until.is_(None), Upload.claimed_until < func.now()),
        )
        .values(claimed_until=func.now() + lease)
    )
    return bool(claimed.rowcount)  # type: ignore[attr-defined]  # of an update it is there


def release(session: Session, upload_id: UUID) -> None:
    """Let it be completed again."""
    session.execute(update(Upload).where(Upload.id == upload_id).values(claimed_until=None))


def note_file(session: Session, upload_id: UUID, file_id: UUID) -> None:
    """Write down which file it has become."""
    session.execute(update(Upload).where(Upload.id == upload_id).values(file_id=file_id))


def finish(session: Session, upload_id: UUID) -> bool:
    """The upload becomes a file; False where it was open no more."""
    done = session.execute(
        update(Upload)
        .where(Upload.id == upload_id, Upload.state == "open")
        .values(state="done", claimed_until=None)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # of an update it is there


def end(session: Session, upload_id: UUID) -> AnyRow | None:
    """End an open upload without a file; its row, or None where it was not open."""
    ended = update(Upload).where(Upload.id == upload_id, Upload.state == "open").values(state="ended")
    return session.execute(ended.returning(*_COLUMNS)).first()


def expired(session: Session, limit: int) -> Sequence[UUID]:
    """Open uploads whose time is over, and that nobody is completing."""
    over = select(Upload.id).where(
        Upload.state == "open",
        Upload.expires_at < func.now(),
        or_(Upload.claimed_until.is_(None), Upload.claimed_until < func.now()),
    )
    return session.scalars(over.order_by(Upload.expires_at).limit(limit)).all()


def forget_old(session: Session, kept: timedelta) -> None:
    """Delete the uploads that ended long ago, one way or the other."""
    old = Upload.expires_at < func.now() - kept
    session.execute(delete(Upload).where(Upload.state != "open", old))


def open_of(session: Session, user_id: UUID) -> Sequence[UUID]:
    """The ids of an owner's uploads that are under way."""
    return session.scalars(select(Upload.id).where(uploads_of(user_id), Upload.state == "open")).all()
