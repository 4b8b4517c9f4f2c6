"""Signing access tokens: the keys in the database, the private halves encrypted."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from common.database.transactions import after_commit
from common.encryption import decrypt, encrypt
from common.ids import new_id
from common.settings import get_settings
from common.tokens import ALGORITHM
from functions.auth.repository import signing_keys

_REMEMBERED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SigningKeyPair:
    """The key that signs now."""

    kid: str
    private_key: Ed25519PrivateKey


class _Current:
    """The pair in memory, read anew once a minute so that a rotation is seen."""

    def __init__(self) -> None:
        self.pair: SigningKeyPair | None = None
        self.read_at = 0.0

    def get(self, session: Session) -> SigningKeyPair:
        pair = self.pair
        if pair is not None and time.monotonic() - self.read_at < _REMEMBERED_SECONDS:
            return pair
        # Several threads may read at once: that costs less than a lock held while Postgres is asked.
        found = signing_keys.newest_signing_key(session)
        if found is not None:
            pair = _open(*found)
            self.keep(pair)
            return pair
        # Two first sign-ins at the same moment must agree on one key.
        signing_keys.lock_signing_keys(session)
        pair = _open(*(signing_keys.newest_signing_key(session) or _create(session)))
        # A key of a transaction that is rolled back must sign nothing.
        after_commit(session, lambda: self.keep(pair))
        return pair

    def keep(self, pair: SigningKeyPair) -> None:
        self.pair, self.read_at = pair, time.monotonic()


_current = _Current()


def _context(key_id: UUID) -> str:
    return f"signing-key:{key_id}"


def _open(key_id: UUID, ciphertext: str) -> SigningKeyPair:
    raw = decrypt(ciphertext, _context(key_id))
    return SigningKeyPair(str(key_id), Ed25519PrivateKey.from_private_bytes(raw))


def _create(session: Session) -> tuple[UUID, str]:
    private_key = Ed25519PrivateKey.generate()
    key_id = new_id()
    ciphertext = encrypt(private_key.private_bytes_raw(), _context(key_id))
    signing_keys.add_signing_key(session, key_id, private_key.public_key().public_bytes_raw(), ciphertext)
    return key_id, ciphertext


def ensure_signing_key(session: Session) -> None:
    """Make the first key where there is none, so that the key set is never empty."""
    _current.get(session)


def forget_signing_key() -> None:
    """Read the key anew at the next token: for tests and after a rotation in this process."""
    _current.pair = None


def access_token(
    session: Session,
    user_id: UUID,
    session_id: UUID,
    permissions: Iterable[str],
    authenticated_at: datetime,
) -> str:
    """A signed access token. Claims as in RFC 9068, with `sid` for the session."""
    settings = get_settings()
    pair = _current.get(session)
    issued = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": settings.issuer,
        "aud": settings.token_audience,
        "sub": str(user_id),
        "sid": str(session_id),
        "scope": " ".join(sorted(permissions)),
        "auth_time": int(authenticated_at.timestamp()),
        "iat": issued,
        "exp": issued + settings.access_token_seconds,
        "jti": str(new_id()),
    }
    return jwt.encode(claims, pair.private_key, algorithm=ALGORITHM, headers={"kid": pair.kid})
