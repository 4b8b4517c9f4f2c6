"""What the database believes of the bucket and of what is stored, to be compared with what is there."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from common.models import FileContent, StorageUsage, StoredObject, Upload


def known(session: Session, keys: Collection[str]) -> set[str]:
    """Those of the keys that are on record."""
    return set(session.scalars(select(StoredObject.key).where(StoredObject.key.in_(keys))))


def kept_after(session: Session, key: str, limit: int) -> list[str]:
    """Keys that something refers to, in their order."""
    kept = select(StoredObject.key).where(StoredObject.state == "kept", StoredObject.key > key)
    return list(session.scalars(kept.order_by(StoredObject.key).limit(limit)))


def still_kept(session: Session, keys: Collection[str]) -> list[str]:
    """Those of the keys that something refers to now."""
    kept = select(StoredObject.key).where(StoredObject.key.in_(keys), StoredObject.state == "kept")
    return list(session.scalars(kept.order_by(StoredObject.key)))


_OF_NO_CONTENT = (
    StoredObject.state == "kept",
    ~exists().where(FileContent.id == StoredObject.content_id),
)


def of_no_content(session: Session) -> list[str]:
    """Keys that are kept for a content that there is not."""
    return list(session.scalars(select(StoredObject.key).where(*_OF_NO_CONTENT).order_by(StoredObject.key)))


def forget_of_no_content(session: Session, key: str) -> None:
    """Drop such a key from the record; any other stays."""
    session.execute(delete(StoredObject).where(StoredObject.key == key, *_OF_NO_CONTENT))


def content_of(session: Session, key: str) -> UUID | None:
    """The content that refers to a key."""
    return session.scalar(select(StoredObject.content_id).where(StoredObject.key == key))


_USED = (
    select(FileContent.owner_id, func.sum(FileContent.size).label("bytes"))
    .group_by(FileContent.owner_id)
    .subquery()
)
_RESERVED = (
    select(Upload.owner_id, func.sum(Upload.size).label("bytes"))
    .where(Upload.state == "open")
    .group_by(Upload.owner_id)
    .subquery()
)


def miscounted(session: Session) -> list[UUID]:
    """Owners whose counts are not what their rows come to."""
    used, reserved = func.coalesce(_USED.c.bytes, 0), func.coalesce(_RESERVED.c.bytes, 0)
    compared = (
        select(StorageUsage.owner_id)
        .outerjoin(_USED, _USED.c.owner_id == StorageUsage.owner_id)
        .outerjoin(_RESERVED, _RESERVED.c.owner_id == StorageUsage.owner_id)
        .where((StorageUsage.used != used) | (StorageUsage.reserved != reserved))
    )
    return list(session.scalars(compared.order_by(StorageUsage.owner_id)))


def recount(session: Session, owner_id: UUID) -> None:
    """Count what an owner has stored and announced anew."""
    # Held first: whoever changes the rows changes this one in the same transaction.
    session.execute(select(StorageUsage.owner_id).where(StorageUsage.owner_id == owner_id).with_for_update())
    used = session.scalar(select(func.sum(FileContent.size)).where(FileContent.owner_id == owner_id))
    open_ones = select(func.sum(Upload.size)).where(Upload.owner_id == owner_id, Upload.state == "open")
    session.execute(
        update(StorageUsage)
        .where(StorageUsage.owner_id == owner_id)
        .values(used=used or 0, reserved=session.scalar(open_ones) or 0)
    )
