"""Lists of people to invite, and what became of their lines."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, insert, select, text, update
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import BulkInvitation, BulkInvitationLine
from common.pagination import PageParameters, SortKey, paginate_rows
from common.roles import OWN_MADE

# One statement and one parameter, however many lines.
_ADD_LINES: Final = text("""
    insert into bulk_invitation_lines (bulk_invitation_id, line, email, name, roles, outcome, detail)
    select cast(:id as uuid), line, email, name, roles, outcome, detail
    from jsonb_to_recordset(cast(:lines as jsonb)) as given (
        line integer, email text, name text, roles text[], outcome text, detail text
    )
""")
# Of two handlers at once, one waits here for the other, and then finds the line after it.
_NEXT_LINE: Final = text(f"""
    select line, lines.email, lines.name, lines.roles, created_by, users.state, users.roles as inviter_roles,
        {OWN_MADE}
    from bulk_invitation_lines as lines
    join bulk_invitations on bulk_invitations.id = lines.bulk_invitation_id
    join users on users.id = bulk_invitations.created_by
    where lines.bulk_invitation_id = :id and outcome is null
    order by line
    limit 1
    for update of lines
""")  # noqa: S608 - a constant of ours

_LIST: Final = (
    BulkInvitation.id,
    BulkInvitation.state,
    BulkInvitation.created_by,
    BulkInvitation.created_at,
    BulkInvitation.finished_at,
)


def add_list(session: Session, list_id: UUID, created_by: UUID, lines: Sequence[Mapping[str, Any]]) -> None:
    """A list with its lines, each with the columns of the table."""
    session.execute(insert(BulkInvitation).values(id=list_id, created_by=created_by))
    session.execute(_ADD_LINES, {"id": list_id, "lines": json.dumps(lines)})


def one_list(connection: Connection, list_id: UUID) -> AnyRow | None:
    """A list."""
    return connection.execute(select(*_LIST).where(BulkInvitation.id == list_id)).first()


def page_of_lists(connection: Connection, page: PageParameters) -> tuple[list[AnyRow], str | None]:
    """A page of the lists, the newest first, and the cursor of the next: a UUIDv7 tells when it was made."""
    newest_first = [SortKey(BulkInvitation.id, "desc")]
    return paginate_rows(connection, select(*_LIST), newest_first, page, context="bulk invitations")


def counts(connection: Connection, list_ids: Sequence[UUID]) -> list[AnyRow]:
    """How many lines of each list have which outcome: `list_id`, `outcome` or null, `number`."""
    list_id = BulkInvitationLine.bulk_invitation_id
    statement = select(
        list_id.label("list_id"), BulkInvitationLine.outcome, func.count().label("number")
    ).group_by(list_id, BulkInvitationLine.outcome)
    return list(connection.execute(statement.where(list_id.in_(list_ids))).all())


def page_of_lines(
    connection: Connection, list_id: UUID, page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of the lines of a list in their order, and the cursor of the next."""
    statement = select(
        BulkInvitationLine.line,
        BulkInvitationLine.email,
        BulkInvitationLine.outcome,
        BulkInvitationLine.detail,
    ).where(BulkInvitationLine.bulk_invitation_id == list_id)
    keys = [SortKey(BulkInvitationLine.line)]
    return paginate_rows(connection, statement, keys, page, context=f"lines of {list_id}")


def begin(session: Session, list_id: UUID) -> None:
    """It is being worked off, again where that had failed."""
    waits = BulkInvitation.state.in_(["queued", "failed"])
    statement = update(BulkInvitation).where(BulkInvitation.id == list_id, waits)
    session.execute(statement.values(state="running"))


def next_line(session: Session, list_id: UUID) -> AnyRow | None:
    """The first line that is not worked off, held until the transaction ends; and who sent the list."""
    return session.execute(_NEXT_LINE, {"id": list_id}).first()


def settle_line(session: Session, list_id: UUID, line: int, became: Mapping[str, Any]) -> None:
    """What became of a line: its columns `outcome`, `detail` and `user_id`."""
    statement = update(BulkInvitationLine).where(
        BulkInvitationLine.bulk_invitation_id == list_id, BulkInvitationLine.line == line
    )
    session.execute(statement.values(**became))


def has_waiting_lines(session: Session, list_id: UUID) -> bool:
    """Whether some line is not worked off."""
    waiting = (BulkInvitationLine.bulk_invitation_id == list_id, BulkInvitationLine.outcome.is_(None))
    return bool(session.scalar(select(exists().where(*waiting))))


def end(session: Session, list_id: UUID) -> None:
    """It has been worked off."""
    statement = update(BulkInvitation).where(BulkInvitation.id == list_id)
    session.execute(statement.values(state="done", finished_at=func.now()))


def fail(session: Session, list_id: UUID) -> None:
    """Nobody works on it any more, unless an operator runs its job again."""
    statement = update(BulkInvitation).where(BulkInvitation.id == list_id)
    session.execute(statement.values(state="failed"))


def forget_lists(session: Session, older_than: timedelta, limit: int) -> int:
    """Delete up to `limit` lists that were sent that long ago, with their lines; how many."""
    old = select(BulkInvitation.id).where(BulkInvitation.created_at < func.now() - older_than).limit(limit)
    statement = delete(BulkInvitation).where(BulkInvitation.id.in_(old)).returning(BulkInvitation.id)
    return len(session.execute(statement).all())
