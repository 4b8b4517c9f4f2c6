"""Many people invited at once: a list is stored in the request, and worked off line by line by a job."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.context import current_context
from common.database import AnyRow, Database
from common.errors import AppError, NotFound
from common.ids import new_id
from common.jobs import JobContext, enqueue
from common.pagination import Page, PageParameters
from common.permissions import permissions_of
from common.principals import InsufficientScope, Principal
from functions.users.invitation_lists import LONGEST_DETAIL, ListLine
from functions.users.invitations import AddressTaken, invite
from functions.users.powers import UnknownRole
from functions.users.repository import bulk_invitations as stored
from functions.users.schemas.invitations import (
    BulkInvitationLineRead,
    BulkInvitationRead,
    Invite,
    LineCounts,
)

TASK: Final = "invite_lines"
LINES_A_JOB: Final = 100
KEPT: Final = timedelta(days=90)
_FORGOTTEN_AT_ONCE: Final = 50

_OUTCOMES: Final[dict[type[AppError], str]] = {
    AddressTaken: "exists",
    UnknownRole: "invalid",
    InsufficientScope: "refused",
}
_NO_INVITER: Final = "Whoever sent this list may not invite any more."


def take_list(session: Session, actor: Principal, lines: Sequence[ListLine]) -> BulkInvitationRead:
    """Store a list and enqueue its work."""
    list_id = new_id()
    stored.add_list(session, list_id, actor.user_id, [asdict(line) for line in lines])
    _enqueue(session, list_id)
    audit.record(
        session,
        "bulk_invitation.created",
        subject_id=None,
        bulk_invitation_id=str(list_id),
        lines=len(lines),
    )
    current_context().response_headers["Location"] = f"/v1/users/invitations/{list_id}"
    return one_list(session.connection(), list_id)


def _enqueue(session: Session, list_id: UUID) -> None:
    enqueue(session, "users", TASK, {"bulk_invitation_id": str(list_id)})


def lists(connection: Connection, page: PageParameters) -> Page[BulkInvitationRead]:
    """A page of all lists, the newest first."""
    rows, cursor = stored.page_of_lists(connection, page)
    return Page(items=_with_counts(connection, rows), next_cursor=cursor)


def one_list(connection: Connection, list_id: UUID) -> BulkInvitationRead:
    """A list and how far it is. Raises NotFound."""
    row = stored.one_list(connection, list_id)
    if row is None:
        raise NotFound
    return _with_counts(connection, [row])[0]


def lines_of(connection: Connection, list_id: UUID, page: PageParameters) -> Page[BulkInvitationLineRead]:
    """A page of the report. Raises NotFound."""
    if stored.one_list(connection, list_id) is None:
        raise NotFound
    rows, cursor = stored.page_of_lines(connection, list_id, page)
    return Page(items=[BulkInvitationLineRead.model_validate(row) for row in rows], next_cursor=cursor)


def _with_counts(connection: Connection, rows: Sequence[AnyRow]) -> list[BulkInvitationRead]:
    counted: dict[UUID, dict[str, int]] = {row.id: {} for row in rows}
    for list_id, outcome, number in stored.counts(connection, list(counted)):
        counted[list_id][outcome or "waiting"] = number
    return [_read(row, counted[row.id]) for row in rows]


def _read(row: AnyRow, counted: dict[str, int]) -> BulkInvitationRead:
    return BulkInvitationRead(
        id=row.id,
        state=row.state,
        lines=sum(counted.values()),
        counts=LineCounts(**counted),
        created_by=row.created_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def work_off(job: JobContext) -> None:
    """Work off up to LINES_A_JOB lines, and enqueue the rest or end the list.

    Each line has a transaction of its own, which holds its outcome together with the account and its mail: an
    attempt that is killed has done a line entirely, or not begun it.
    """
    list_id = UUID(job.payload["bulk_invitation_id"])
    try:
        job.transaction(partial(stored.begin, list_id=list_id))
        for _ in range(LINES_A_JOB):
            if not job.transaction(partial(_work_line, list_id=list_id)):
                break
        job.finish_with(partial(_go_on, list_id=list_id))
    except Exception as error:
        if job.is_lost_to(error):
            job.transaction(partial(stored.fail, list_id=list_id))
        raise


def _work_line(session: Session, *, list_id: UUID) -> bool:
    """Invite whom the next line names; False where there is none."""
    row = stored.next_line(session, list_id)
    if row is None:
        return False
    stored.settle_line(session, list_id, row.line, _invite(session, row))
    return True


def _invite(session: Session, row: AnyRow) -> dict[str, Any]:
    """Invite whom a line names; what became of it."""
    # Who sent the list acts, as in the audit log; they may have lost a role since then, or the account.
    current_context().user_id = row.created_by
    permissions = permissions_of(row.inviter_roles, row.own_made) if row.state == "active" else frozenset()
    if "users:write" not in permissions:
        return {"outcome": "refused", "detail": _NO_INVITER}
    inviter = Principal(row.created_by, None, permissions, inf)
    try:
        # Judged when the list was taken: validating once more would only cost time.
        wanted = Invite.model_construct(email=row.email, name=row.name, roles=row.roles)
        account = invite(session, inviter, wanted)
    except (AddressTaken, UnknownRole, InsufficientScope) as refusal:
        told = refusal.errors[0]["detail"] if refusal.errors else refusal.message
        return {"outcome": _OUTCOMES[type(refusal)], "detail": told[:LONGEST_DETAIL]}
    return {"outcome": "invited", "user_id": account.id}


def _go_on(session: Session, *, list_id: UUID) -> None:
    if stored.has_waiting_lines(session, list_id):
        _enqueue(session, list_id)
    else:
        stored.end(session, list_id)


def forget_old(database: Database) -> None:
    """Delete lists that are older than KEPT: they hold addresses of people who may never have come."""
    forget = partial(stored.forget_lists, older_than=KEPT, limit=_FORGOTTEN_AT_ONCE)
    while database.transaction(forget) == _FORGOTTEN_AT_ONCE:
        pass
