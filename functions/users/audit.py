"""The audit log, read by those who may."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.ndjson import Export, export_rows
from common.pagination import Page, PageParameters, paginate_rows, parse_sort
from functions.users.repository.audit import SORTS, UNIQUE, entries
from functions.users.schemas.audit import AuditEntryRead, AuditFilters

NEWEST_FIRST = "-created_at"


def list_entries(
    connection: Connection, reader: Principal, filters: AuditFilters, sort: str, page: PageParameters
) -> Page[AuditEntryRead]:
    """One page of the entries that match. Raises BadRequest for a sort or a cursor that is none."""
    rows, cursor = paginate_rows(
        connection,
        entries(**filters.model_dump()),
        parse_sort(sort, SORTS, UNIQUE),
        page,
        context=_context("audit", reader, filters),
    )
    return Page(items=[AuditEntryRead.model_validate(row) for row in rows], next_cursor=cursor)


def export_entries(
    session: Session, reader: Principal, filters: AuditFilters, page: PageParameters
) -> Export:
    """The entries that match as lines, newest first; that they were read is an entry itself.

    In that order the new entry comes before all that is read, and a walk to the end has an end.
    """
    export = export_rows(
        session.connection(),
        entries(**filters.model_dump()),
        parse_sort(NEWEST_FIRST, SORTS, UNIQUE),
        page,
        context=_context("audit-export", reader, filters),
        line=lambda row: AuditEntryRead.model_validate(row).model_dump_json(),
    )
    audit.record(
        session,
        "audit.exported",
        subject_id=None,
        filters=filters.model_dump(mode="json", exclude_none=True),
        continued=page.cursor is not None,
        entries=len(export.lines),
        complete=export.complete,
    )
    return export


def _context(name: str, reader: Principal, filters: AuditFilters) -> str:
    return f"{name}|{reader.user_id}|{filters.model_dump_json()}"
