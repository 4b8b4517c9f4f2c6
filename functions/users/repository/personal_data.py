"""What `users` keeps of a person, for an export."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import AuditEntry, BulkInvitation, BulkInvitationLine, Export, User


def profile(session: Session, user_id: UUID) -> AnyRow | None:
    """The account itself."""
    statement = select(
        User.id,
        User.email,
        User.email_verified_at,
        User.name,
        User.locale,
        User.roles,
        User.state,
        User.disabled_reason,
        User.password_reset_required,
        User.erase_at,
        User.created_at,
        User.updated_at,
    )
    return session.execute(statement.where(User.id == user_id)).first()


def invitations(session: Session, user_id: UUID, email: str, limit: int) -> Sequence[AnyRow]:
    """The newest lines of bulk invitations that invited this account or name its normalised address."""
    statement = select(
        BulkInvitationLine.email,
        BulkInvitationLine.name,
        BulkInvitationLine.roles,
        BulkInvitationLine.outcome,
        BulkInvitation.created_at,
    ).join(BulkInvitation, BulkInvitation.id == BulkInvitationLine.bulk_invitation_id)
    mine = statement.where(
        or_(BulkInvitationLine.user_id == user_id, func.lower(BulkInvitationLine.email) == email)
    )
    return session.execute(mine.order_by(BulkInvitation.created_at.desc()).limit(limit)).all()


def bulk_invitations(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest bulk invitations that a person made, without the people in them."""
    statement = select(
        BulkInvitation.id, BulkInvitation.state, BulkInvitation.created_at, BulkInvitation.finished_at
    )
    mine = statement.where(BulkInvitation.created_by == user_id)
    return session.execute(mine.order_by(BulkInvitation.created_at.desc()).limit(limit)).all()


def exports(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest exports that a person asked for."""
    statement = select(Export.id, Export.state, Export.size, Export.created_at, Export.ready_at)
    mine = statement.where(Export.user_id == user_id)
    return session.execute(mine.order_by(Export.created_at.desc()).limit(limit)).all()


def audit(session: Session, user_id: UUID, limit: int) -> Sequence[AnyRow]:
    """The newest `limit` entries of what a person did, or what was done to them, newest first."""
    columns = (
        AuditEntry.id,
        AuditEntry.created_at,
        AuditEntry.action,
        AuditEntry.outcome,
        AuditEntry.actor_id,
        AuditEntry.subject_id,
        AuditEntry.client_address,
        AuditEntry.user_agent,
        AuditEntry.details,
    )

    # Each half walks an index of its own from its end; asked for at once, both would be read whole.
    halves = [
        select(*columns)
        .where(column == user_id)
        .order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())
        .limit(limit)
        for column in (AuditEntry.actor_id, AuditEntry.subject_id)
    ]
    found = {row.id: row for half in halves for row in session.execute(half)}
    newest = sorted(found.values(), key=lambda row: (row.created_at, row.id), reverse=True)
    return newest[:limit]
