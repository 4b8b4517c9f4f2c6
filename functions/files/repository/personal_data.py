"""What `files` keeps of a person, for an export and for its end."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import File, FileContent, StorageUsage, Upload, User


def state(session: Session, user_id: UUID) -> str | None:
    """The state of the account."""
    return session.scalar(select(User.state).where(User.id == user_id))


def files(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest files."""
    columns = select(
        File.id,
        File.name,
        File.media_type,
        File.size,
        File.description,
        File.tags,
        File.custom,
        File.created_at,
        File.updated_at,
        File.trashed_at,
        FileContent.width,
        FileContent.height,
        FileContent.camera,
        FileContent.taken_at,
    ).join(FileContent, FileContent.id == File.content_id)
    mine = columns.where(File.owner_id == user_id).order_by(File.created_at.desc())
    return session.execute(mine.limit(limit)).all()


def uploads(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest uploads."""
    columns = select(Upload.id, Upload.state, Upload.size, Upload.attributes, Upload.created_at)
    mine = columns.where(Upload.owner_id == user_id).order_by(Upload.created_at.desc())
    return session.execute(mine.limit(limit)).all()


def delete_uploads(session: Session, user_id: UUID) -> int:
    """Delete all uploads; how many."""
    return int(session.execute(delete(Upload).where(Upload.owner_id == user_id)).rowcount)  # type: ignore[attr-defined]  # of a delete it is there


def delete_usage(session: Session, user_id: UUID) -> int:
    """Delete the count of what is stored."""
    return int(session.execute(delete(StorageUsage).where(StorageUsage.owner_id == user_id)).rowcount)  # type: ignore[attr-defined]  # as above
