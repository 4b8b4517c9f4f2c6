"""The erasure of a person: begun when its time has come, done by each function, finished here."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeGuard
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, one_time_tokens, personal_data
from common.database import Database
from common.functions import PERSONAL
from common.jobs import JobContext
from common.logs import get_logger
from common.mail import send_mail
from common.models import User
from common.settings import get_settings
from functions.users import archives
from functions.users import personal_data as own
from functions.users.repository import erasure as stored
from functions.users.repository import exports

log = get_logger(__name__)

_OVERDUE: Final = timedelta(hours=1)
_OVERDUE_BATCH: Final = 100


def begin_for(session: Session, user_id: UUID) -> bool:
    """Have each function erase the person, if their account is still to be erased and it is time.

    From here on there is no way back; whoever undoes the deletion at this moment comes before or after.
    """
    if not stored.hold_due(session, user_id):
        return False
    accounts.change_account(session, user_id, {"erase_at": None})
    one_time_tokens.void(session, user_id, "undo_deletion")
    personal_data.start_erasure(session, user_id)
    return True


def erase_own(job: JobContext) -> None:
    """Erase what `users` keeps of the person: the archives in the bucket first, then the rows."""
    user_id = UUID(job.payload["user_id"])
    for export_id in job.transaction(lambda session: _give_up_exports(session, user_id)):
        archives.remove(export_id)
    personal_data.erase_person(job, own.erase)


def _give_up_exports(session: Session, user_id: UUID) -> Sequence[UUID]:
    """End the exports that are being made, so that none adds an archive; those that may have one."""
    account = accounts.hold_account(session, user_id)
    if not _is_being_erased(account):
        return []
    exports.fail_all(session, user_id)
    return exports.with_archives(session, user_id)


def _is_being_erased(account: User | None) -> TypeGuard[User]:
    return account is not None and account.state == personal_data.ERASING and account.erase_at is None


def finish(session: Session, user_id: UUID, functions: list[str]) -> bool:
    """Empty the account once every function has reported, say goodbye, and put it all on record."""
    account = accounts.hold_account(session, user_id)
    if not _is_being_erased(account):
        return False
    reports: dict[str, dict[str, Any]] = personal_data.reports(session, user_id)
    if not reports.keys() >= set(functions):
        return False
    values = {"name": account.name, "home_link": get_settings().frontend_url}
    send_mail(session, "account_erased", account.email, values)
    accounts.leave_tombstone(session, user_id)
    # What came after `auth` had been here: a link that somebody asked for with the address.
    one_time_tokens.delete_all(session, user_id)
    audit.record(session, "account.erased", subject_id=user_id, reports=reports)
    return True


def look_after_overdue(database: Database) -> None:
    """Begin what should have begun, and tell operators what does not come to its end.

    That is where a function's job is dead: run it again once its cause is gone (docs/personal-data.md).
    """
    for row in database.transaction(partial(stored.overdue, since=_OVERDUE, limit=_OVERDUE_BATCH)):
        if row.begun:
            reports = database.transaction(partial(personal_data.reports, user_id=row.id))
            missing = sorted(set(PERSONAL) - reports.keys())
            log.error("erasure_overdue", user_id=str(row.id), missing=missing)
        elif database.transaction(partial(begin_for, user_id=row.id)):
            log.warning("erasure_begun_late", user_id=str(row.id))
