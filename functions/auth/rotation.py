"""The life of a signing key: published, signing, retired, gone; or revoked.

All by timestamps, which each process compares with the clock: nothing waits, and nothing runs at the moment
when one key takes over from another.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.orm import Session

from common import audit
from common.encryption import DecryptionFailed
from common.errors import Conflict, NotFound
from common.tokens import KEYS_SECONDS, seconds_after_retirement
from functions.auth.key_set import MAX_AGE_SECONDS
from functions.auth.repository import signing_keys
from functions.auth.signing import create_pair, open_pair

PUBLISHED_AHEAD: Final = timedelta(seconds=MAX_AGE_SECONDS + round(KEYS_SECONDS) + 30)
"""How long a key is published before it signs: whoever verifies has read it by then."""

type State = Literal["next", "signs", "verifies", "gone"]


class RotationUnderWay(Conflict):
    """A key is published already and waits for its time."""

    code = "rotation_under_way"
    detail = "The next signing key is published already."


class UnknownSigningKey(NotFound):
    """There is no such key, or none any more."""

    code = "unknown_signing_key"
    detail = "There is no such signing key: `lambkin keys list` shows those that there are."


class OtherEncryptionKeys(Conflict):
    """What is stored cannot be opened: a key that is made now could not be opened by the functions."""

    code = "other_encryption_keys"
    detail = (
        "ENCRYPTION_KEYS cannot open the signing keys that are stored: set it to what the functions have, "
        "then repeat this. Where that key is lost, `lambkin keys rotate --now --force` begins anew."
    )


@dataclass(frozen=True, slots=True)
class KeyLife:
    """One key. Only what is `gone` verifies nothing; `published_until` is known once it has a successor."""

    id: UUID
    state: State
    created_at: datetime
    active_at: datetime
    retired_at: datetime | None
    published_until: datetime | None


@dataclass(frozen=True, slots=True)
class Successor:
    """The key that signs from `active_at` on; `at_once` where that is now."""

    id: UUID
    active_at: datetime
    at_once: bool


def list_keys(session: Session) -> list[KeyLife]:
    """Every key that there was and that was not revoked, the oldest first."""
    signing = signing_keys.signing_key(session)
    moment = signing_keys.clock(session)
    published = timedelta(seconds=seconds_after_retirement())
    lives = []
    for row in signing_keys.all_keys(session):
        state: State = "verifies" if row.is_published else "gone"
        if signing is not None and row.id == signing[0]:
            state = "signs"
        elif row.active_at > moment and row.retired_at is None:
            state = "next"
        until = row.retired_at + published if row.retired_at else None
        lives.append(KeyLife(row.id, state, row.created_at, row.active_at, row.retired_at, until))
    return lives


def rotate(session: Session, *, at_once: bool = False, force: bool = False) -> Successor:
    """Publish a new key, which takes over after PUBLISHED_AHEAD; the present one signs until then.

    With `at_once` it takes over now, or the one does that is published already: whoever caches the key set
    without a look at unknown keys refuses its tokens for up to MAX_AGE_SECONDS. With `force` it is made
    although the keys that are stored cannot be opened. Raises RotationUnderWay, OtherEncryptionKeys.
    """
    moment = signing_keys.lock_signing_keys(session)
    if not force:
        _check_encryption(session)
    waiting = signing_keys.next_signing_key(session, moment)
    if waiting is not None and not at_once:
        raise RotationUnderWay(
            f"Key {waiting.id} is published already and signs from {waiting.active_at:%Y-%m-%d %H:%M:%S} UTC "
            "on: wait until then, or have it sign now with --now."
        )
    first = signing_keys.signing_key(session) is None
    if at_once or first:
        successor = _take_over(session, moment, anew=force)
    else:
        active_at = moment + PUBLISHED_AHEAD
        key_id, _ = create_pair(session, active_at)
        signing_keys.retire_other_keys(session, key_id, active_at)
        successor = Successor(key_id, active_at, at_once=False)
    signing_keys.delete_retired_secrets(session, moment)
    audit.record(
        session,
        "signing_key.rotated",
        subject_id=None,
        kid=str(successor.id),
        active_at=successor.active_at.isoformat(),
    )
    return successor


def revoke(session: Session, kid: str) -> Successor | None:
    """Delete a key that others may hold; gives its successor, where it was the one that signs.

    Functions refuse its tokens within KEYS_SECONDS, whoever caches the key set within MAX_AGE_SECONDS. Raises
    UnknownSigningKey, OtherEncryptionKeys.
    """
    try:
        key_id = UUID(kid)
    except ValueError:
        raise UnknownSigningKey from None
    moment = signing_keys.lock_signing_keys(session)
    _check_encryption(session)
    if not signing_keys.delete_signing_key(session, key_id):
        raise UnknownSigningKey
    signing = signing_keys.signing_key(session)
    successor = None
    if signing is None:
        successor = _take_over(session, moment)
    elif signing_keys.next_signing_key(session, moment) is None:
        # What was revoked may have been the one that it was to retire for.
        signing_keys.keep_signing(session, signing[0])
    audit.record(session, "signing_key.revoked", subject_id=None, kid=str(key_id))
    return successor


def _take_over(session: Session, moment: datetime, *, anew: bool = False) -> Successor:
    """The key that is published already, or a new one, signs from now on."""
    waiting = signing_keys.next_signing_key(session, moment)
    if waiting is not None and not anew:
        key_id = waiting.id
        signing_keys.activate_signing_key(session, key_id, moment)
    else:
        key_id, _ = create_pair(session, moment)
    signing_keys.retire_other_keys(session, key_id, moment)
    return Successor(key_id, moment, at_once=True)


def _check_encryption(session: Session) -> None:
    stored = signing_keys.any_secret(session)
    if stored is None:
        return
    try:
        open_pair(*stored)
    except DecryptionFailed:
        raise OtherEncryptionKeys from None
