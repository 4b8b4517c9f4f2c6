"""Do the bucket and the database agree? Compared in the order of the keys, a page at a time, and repaired.

What is in the bucket without being on record is removed; what is on record without being in the bucket is
told of, as nobody can bring it back: its file is `rejected` as `lost`. Counts are added up anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.database import Database
from functions.files import storage
from functions.files.repository import contents, objects, usage
from functions.files.repository import verification as stored

_PREFIX: Final = "files/"
_PAGE: Final = 1000
LOST: Final = "lost"
_LOST_DETAIL: Final = "Its bytes are not in the bucket any more."


@dataclass(slots=True)
class Findings:
    """What did not agree; `looked_at` counts the objects of the bucket."""

    looked_at: int = 0
    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    miscounted: list[UUID] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether there is nothing to repair."""
        return not (self.orphans or self.missing or self.miscounted)


def verify(database: Database, *, fix: bool, progress: Callable[[int], None]) -> Findings:
    """Compare, and repair where `fix`; `progress` is told how many objects have been looked at.

    Raises BucketFailed. Uploads and jobs may go on meanwhile.
    """
    findings = Findings()
    for page in _pages():
        # Asked after the page was read: what is in the bucket was on record before it was put there.
        known = database.transaction(lambda session, keys=page: stored.known(session, keys))  # type: ignore[misc]  # bound above
        findings.orphans += [key for key in page if key not in known]
        findings.looked_at += len(page)
        progress(findings.looked_at)
    findings.orphans += database.transaction(stored.of_no_content)
    findings.missing = _missing(database)
    findings.miscounted = database.transaction(stored.miscounted)
    if fix:
        _repair(database, findings)
    return findings


def _pages() -> Iterator[list[str]]:
    after = ""
    while page := storage.keys_after(_PREFIX, after, _PAGE):
        yield page
        after = page[-1]


def _missing(database: Database) -> list[str]:
    """Keys that something refers to, and that the bucket has not."""
    missing: list[str] = []
    after = ""
    while page := database.transaction(lambda session, last=after: stored.kept_after(session, last, _PAGE)):  # type: ignore[misc]  # bound here
        gone = [key for key in page if storage.head(key) is None]
        # Looked at again, as its file may have been deleted between the two.
        missing += database.transaction(lambda session, keys=gone: stored.still_kept(session, keys))  # type: ignore[misc]  # bound above
        after = page[-1]
    return missing


def _repair(database: Database, findings: Findings) -> None:
    for key in findings.orphans:
        storage.remove(key)
        database.transaction(partial(stored.forget_of_no_content, key=key))
    for key in findings.missing:
        database.transaction(lambda session, gone=key: _give_up(session, gone))  # type: ignore[misc]  # bound above
    for owner_id in findings.miscounted:
        database.transaction(lambda session, owner=owner_id: stored.recount(session, owner))  # type: ignore[misc]  # bound above


def _give_up(session: Session, key: str) -> None:
    """Have a content go on without a rendition, or where its bytes are lost, without them."""
    content_id = stored.content_of(session, key)
    content = contents.hold(session, content_id) if content_id else None
    if content is None:
        return
    objects.doom(session, [key])
    if content.object_key != key:
        left = [each for each in content.renditions if each["key"] != key]
        contents.change(session, content.id, {"renditions": left})
        return
    told = {"rejection": LOST, "rejection_detail": _LOST_DETAIL}
    contents.change(session, content.id, told | {"state": "rejected", "object_key": None, "size": 0})
    usage.change(session, content.owner_id, used=-content.size)
    objects.doom_content(session, content.id)
