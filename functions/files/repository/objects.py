"""The record of the bucket's keys. Whatever is in the bucket has a row here, before and until after."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.models import StoredObject

# Longer than any of our own writes takes, or its job's lease: what comes late is removed once more.
_BY_US: Final = timedelta(hours=1)


def announce(
    session: Session,
    key: str,
    owner_id: UUID,
    *,
    given_up_after: timedelta,
    content_id: UUID | None = None,
    writable_until: datetime | None = None,
) -> None:
    """Put a key on record that will be written; what nothing refers to by then is removed.

    It is written by us, within the hour, or by a presigned request until `writable_until`.
    """
    session.execute(
        insert(StoredObject).values(
            key=key,
            owner_id=owner_id,
            content_id=content_id,
            remove_after=func.now() + given_up_after,
            writable_until=writable_until or func.now() + _BY_US,
        )
    )


def state(connection: Connection, key: str) -> str | None:
    """Whether a key is `pending`, `kept` or `doomed`; None where it can be claimed."""
    given_up = and_(StoredObject.state == "pending", StoredObject.claimed_until < func.now())
    return connection.scalar(select(StoredObject.state).where(StoredObject.key == key, ~given_up))


def claim(
    session: Session,
    key: str,
    owner_id: UUID,
    content_id: UUID,
    *,
    lease: timedelta,
    given_up_after: timedelta,
) -> bool:
    """Put a key on record that the caller alone will write; False where somebody else is at it, or has."""
    new = insert(StoredObject).values(
        key=key,
        owner_id=owner_id,
        content_id=content_id,
        remove_after=func.now() + given_up_after,
        claimed_until=func.now() + lease,
        writable_until=func.now() + _BY_US,
    )
    # Whoever claimed it before may have died.
    given_up = (StoredObject.state == "pending", StoredObject.claimed_until < func.now())
    claimed = new.on_conflict_do_update(
        index_elements=[StoredObject.key],
        set_={
            "claimed_until": new.excluded.claimed_until,
            "remove_after": new.excluded.remove_after,
            "writable_until": new.excluded.writable_until,
        },
        where=and_(*given_up),
    )
    return session.execute(claimed.returning(StoredObject.key)).first() is not None


def release(session: Session, key: str) -> None:
    """Let another caller claim it at once."""
    pending = (StoredObject.key == key, StoredObject.state == "pending")
    session.execute(
        update(StoredObject).where(*pending).values(claimed_until=func.now() - timedelta(seconds=1))
    )


def count_pictures(session: Session, content_id: UUID) -> int:
    """How many pictures of a content were made, or are being made, on request."""
    pictures = (StoredObject.content_id == content_id, StoredObject.key.like("%/t-%"))
    wanted = or_(StoredObject.state == "kept", StoredObject.claimed_until > func.now())
    return session.scalar(select(func.count()).where(*pictures, wanted)) or 0


def give_up(session: Session, key: str, by: timedelta) -> None:
    """Nothing can be made under this key; that is remembered for a while."""
    pending = (StoredObject.key == key, StoredObject.state == "pending")
    times = {"claimed_until": None, "remove_after": func.now() + by}
    session.execute(update(StoredObject).where(*pending).values(state="doomed", **times))


def keep(session: Session, keys: Collection[str], content_id: UUID) -> bool:
    """Have a content refer to announced keys; False where one of them is being removed by now."""
    kept = session.execute(
        update(StoredObject)
        .where(StoredObject.key.in_(keys), StoredObject.state != "doomed")
        .values(state="kept", content_id=content_id, remove_after=None)
    )
    return int(kept.rowcount) == len(keys)  # type: ignore[attr-defined]  # of an update it is there


def doom(session: Session, keys: Collection[str]) -> None:
    """Have these keys removed."""
    _doom(session, StoredObject.key.in_(keys))


def doom_content(session: Session, content_id: UUID, but: Collection[str] = ()) -> None:
    """Have all keys of a content removed, `but` those."""
    _doom(session, StoredObject.content_id == content_id, StoredObject.key.not_in(but))


def _doom(session: Session, *which: object) -> None:
    session.execute(
        update(StoredObject).where(*which).values(state="doomed", remove_after=func.now())  # type: ignore[arg-type]  # conditions
    )


def doom_abandoned(session: Session, limit: int) -> int:
    """Doom what was announced and never came to be referred to; how many."""
    abandoned = (
        select(StoredObject.key)
        .where(StoredObject.state == "pending", StoredObject.remove_after < func.now())
        .order_by(StoredObject.remove_after)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    done = session.execute(update(StoredObject).where(StoredObject.key.in_(abandoned)).values(state="doomed"))
    return int(done.rowcount)  # type: ignore[attr-defined]  # of an update it is there


def removable(session: Session, limit: int, owner_id: UUID | None = None) -> Sequence[str]:
    """Doomed keys whose time has come: of an owner, or of all."""
    due = select(StoredObject.key).where(
        StoredObject.state == "doomed", StoredObject.remove_after <= func.now()
    )
    if owner_id is not None:
        due = due.where(StoredObject.owner_id == owner_id)
    return session.scalars(due.order_by(StoredObject.remove_after).limit(limit)).all()


def postpone(session: Session, keys: Collection[str], by: timedelta) -> None:
    """Have these doomed keys removed later."""
    stuck = (StoredObject.key.in_(keys), StoredObject.state == "doomed")
    session.execute(update(StoredObject).where(*stuck).values(remove_after=func.now() + by))


def forget(session: Session, keys: Collection[str]) -> None:
    """Drop removed keys from the record.

    Those that a presigned request can still bring back stay, to be removed once more when it no longer works.
    """
    gone = (StoredObject.key.in_(keys), StoredObject.state == "doomed")
    late = or_(StoredObject.writable_until.is_(None), StoredObject.writable_until <= func.now())
    session.execute(delete(StoredObject).where(*gone, late))
    session.execute(update(StoredObject).where(*gone).values(remove_after=StoredObject.writable_until))
