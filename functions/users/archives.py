"""The archives of exports: made of what the functions wrote, kept in the bucket for a while, removed."""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, bucket, one_time_tokens, personal_data
from common.database import Database
from common.jobs import JobContext
from common.logs import get_logger
from common.mail import send_mail
from common.personal_data import Topic
from common.settings import get_settings
from functions.users.repository import exports as stored

log = get_logger(__name__)

# Longer than all attempts of all its jobs take.
_STUCK: Final = timedelta(days=1)
_SWEEP_BATCH: Final = 100
_README: Final = "README.txt"

type Parts = Mapping[str, Mapping[str, Topic]]


class _NotWanted(Exception):
    """While the archive was made, its export was given up, or erased with its person."""


def assemble(job: JobContext) -> None:
    """Make the archive once every function has written its part, and mail the link.

    Each part that is written leads here; only the last finds all of them.
    """
    try:
        _assemble(job)
    except Exception as error:
        if job.is_lost_to(error):
            user_id, export_id = UUID(job.payload["user_id"]), UUID(job.payload["export_id"])
            job.transaction(lambda session: fail(session, user_id, export_id))
        raise


def _assemble(job: JobContext) -> None:
    user_id, export_id = UUID(job.payload["user_id"]), UUID(job.payload["export_id"])
    found = job.transaction(lambda session: _open(session, export_id, job.payload["functions"]))
    try:
        if found is None:
            job.finish_with(lambda session: _clear(session, export_id))
            return
        key, parts = found
        archive = _zip(parts)
        bucket.put(key, archive, "application/zip")
        job.finish_with(lambda session: _complete(session, user_id, export_id, len(archive)))
    except _NotWanted:
        # Also what an attempt that was killed may have left there.
        remove(export_id)
        job.finish_with(lambda session: personal_data.delete_parts(session, export_id))


def _open(session: Session, export_id: UUID, functions: list[str]) -> tuple[str, Parts] | None:
    """Where the archive goes and of what it is made; None where it is not wanted, or not complete yet."""
    parts = personal_data.read_parts(session, export_id, functions)
    if parts is None:
        return None
    # On record before anything is in the bucket, so that whatever is there is found again.
    key = stored.claim_key(session, export_id, f"{_prefix(export_id)}{secrets.token_urlsafe(32)}.zip")
    return (key, parts) if key else None


def _prefix(export_id: UUID) -> str:
    return f"exports/{export_id}/"


def remove(export_id: UUID) -> None:
    """Remove the archive of an export from the bucket, whatever its name is."""
    bucket.remove_below(_prefix(export_id))


def _clear(session: Session, export_id: UUID) -> None:
    """Delete parts that came late, unless the export waits for another one. Raises _NotWanted."""
    match stored.state(session, export_id):
        case "collecting":
            return
        case "ready":
            personal_data.delete_parts(session, export_id)
        case _:
            raise _NotWanted


def _complete(session: Session, user_id: UUID, export_id: UUID, size: int) -> None:
    kept = timedelta(days=get_settings().export_days)
    account = accounts.hold_account(session, user_id)
    if account is None or not stored.complete(session, export_id, size, kept):
        # Where another attempt was faster, the archive is in its place already.
        _clear(session, export_id)
        return
    stored.expire_others(session, account.id, export_id)
    personal_data.delete_parts(session, export_id)
    one_time_tokens.void(session, account.id, "download_export")
    token = one_time_tokens.issue(session, account.id, "download_export", kept)
    link = f"{get_settings().public_url}/v1/users/exports/download?token={token}"
    values = {"name": account.name, "link": link, "days": kept.days}
    send_mail(session, "export_ready", account.email, values)
    audit.record(session, "export.completed", subject_id=account.id, bytes=size)


def _zip(parts: Parts) -> bytes:
    # Imported here: no other job makes archives.
    from textwrap import fill
    from zipfile import ZIP_DEFLATED, ZipFile

    archive, contents = BytesIO(), []
    with ZipFile(archive, "w", ZIP_DEFLATED) as written:
        for function, topics in parts.items():
            for name, topic in topics.items():
                # Two functions may use one name: each keeps its own file.
                file = (
                    f"{name}.json" if f"{name}.json" not in written.namelist() else f"{function}-{name}.json"
                )
                written.writestr(file, json.dumps(topic.content, ensure_ascii=False, indent=2))
                about = fill(topic.about, 80, initial_indent="    ", subsequent_indent="    ")
                contents.append(f"{file}\n{about}\n")
        written.writestr(_README, _readme(contents))
    return archive.getvalue()


def _readme(contents: list[str]) -> str:
    return "\n".join(
        [
            f"What is stored about you at {get_settings().public_url}, as JSON (RFC 8259). Times are UTC.",
            "",
            *contents,
            "Passwords, keys and the tokens of links are stored as digests only, and are not in these files.",
            "",
        ]
    )


def fail(session: Session, user_id: UUID, export_id: UUID) -> None:
    """Give an export up, and tell its person; nothing happens where it is not waited for any more."""
    account = accounts.hold_account(session, user_id)
    if account is None or not stored.fail(session, export_id):
        return
    personal_data.delete_parts(session, export_id)
    values = {"name": account.name, "home_link": get_settings().frontend_url}
    send_mail(session, "export_failed", account.email, values)
    audit.record(session, "export.completed", "refused", subject_id=account.id)
    log.error("export_failed", export_id=str(export_id))


def sweep(database: Database) -> None:
    """Remove the archives that nobody may fetch any more, and give up the exports that nobody works on."""
    for row in database.transaction(partial(stored.stuck, since=_STUCK, limit=_SWEEP_BATCH)):
        database.transaction(partial(fail, user_id=row.user_id, export_id=row.id))
    for export_id in database.transaction(partial(stored.removable, limit=_SWEEP_BATCH)):
        remove(export_id)
        database.transaction(partial(stored.forget_archive, export_id=export_id))
