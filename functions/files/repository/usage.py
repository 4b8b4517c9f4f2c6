"""How much an owner stores: counted in the transactions that change it, so that it is exact."""

from uuid import UUID

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import File, StorageUsage


def reserve(session: Session, owner_id: UUID, size: int, default_quota: int) -> bool:
    """Set `size` bytes aside for an upload; False where the quota has no room for them."""
    session.execute(insert(StorageUsage).values(owner_id=owner_id).on_conflict_do_nothing())
    fits = StorageUsage.used + StorageUsage.reserved + size <= func.coalesce(
        StorageUsage.quota, default_quota
    )
    done = session.execute(
        update(StorageUsage)
        .where(StorageUsage.owner_id == owner_id, fits)
        .values(reserved=StorageUsage.reserved + size)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # of an update it is there


def change(session: Session, owner_id: UUID, *, used: int = 0, reserved: int = 0) -> None:
    """Add to what is used and to what is set aside; either may be negative."""
    session.execute(
        update(StorageUsage)
        .where(StorageUsage.owner_id == owner_id)
        .values(used=StorageUsage.used + used, reserved=StorageUsage.reserved + reserved)
    )


def read(connection: Connection, owner_id: UUID) -> AnyRow | None:
    """What is used and set aside, and the owner's own quota."""
    columns = select(StorageUsage.used, StorageUsage.reserved, StorageUsage.quota)
    return connection.execute(columns.where(StorageUsage.owner_id == owner_id)).first()


def in_trash(connection: Connection, owner_id: UUID) -> int:
    """The bytes of the files in the trash, as the owner sees them."""
    trashed = select(func.sum(File.size)).where(File.owner_id == owner_id, File.trashed_at.is_not(None))
    return int(connection.scalar(trashed) or 0)
