"""Accounts whose time has come, and what `users` deletes of them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import BulkInvitationLine, Export, User


def hold_due(session: Session, user_id: UUID) -> bool:
    """Whether the account is to be erased now; it is held until the transaction ends.

    By the clock of the database, which the job and the link go by as well.
    """
    due = select(User.id).where(User.id == user_id, User.state == "deleting", User.erase_at <= func.now())
    return session.execute(due.with_for_update()).first() is not None


def overdue(session: Session, since: timedelta, limit: int) -> Sequence[AnyRow]:
    """Accounts that should have been erased this long ago: `id`, and whether it has `begun`."""
    return session.execute(overdue_statement(since, limit)).all()


def overdue_statement(since: timedelta, limit: int) -> Select[UUID, bool]:
    """What `overdue` asks."""
    begun = User.erase_at.is_(None)
    late = or_(User.erase_at < func.now() - since, begun & (User.updated_at < func.now() - since))
    # By the index of accounts that are not active.
    mine = select(User.id, begun.label("begun")).where(User.state == "deleting", late)
    return mine.order_by(User.erase_at).limit(limit)


def delete_invitation_lines(session: Session, user_id: UUID, email: str) -> int:
    """Delete the lines of bulk invitations that invited this account or name its address; how many."""
    theirs = or_(BulkInvitationLine.user_id == user_id, func.lower(BulkInvitationLine.email) == email)
    statement = delete(BulkInvitationLine).where(theirs)
    return len(session.execute(statement.returning(BulkInvitationLine.line)).all())


def delete_exports(session: Session, user_id: UUID) -> int:
    """Delete the exports of a person with their parts; how many."""
    statement = delete(Export).where(Export.user_id == user_id).returning(Export.id)
    return len(session.execute(statement).all())
