"""Signing access tokens: the keys in the database, the private halves encrypted."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from common.database.transactions import after_commit
from common.encrypted_columns import SIGNING_SECRET
from common.encryption import decrypt, encrypt
from common.ids import new_id
from common.settings import get_settings
from common.tokens import ALGORITHM, SIGNER_SECONDS
from functions.auth.repository import signing_keys


@dataclass(frozen=True, slots=True)
class SigningKeyPair:
    """The key that signs now."""

    kid: str
    private_key: Ed25519PrivateKey


class _Current:
    """The pair in memory, read anew every SIGNER_SECONDS so that a rotation is seen."""

    def __init__(self) -> None:
        self.pair: SigningKeyPair | None = None
        self.read_at = 0.0

    def get(self, session: Session) -> SigningKeyPair:
        pair = self.pair
        if pair is not None and time.monotonic() - self.read_at < SIGNER_SECONDS:
            return pair
        # Several threads may read at once: that costs less than a lock held while Postgres is asked.
        found = signing_keys.signing_key(session)
        if found is not None:
            pair = open_pair(*found)
            self.keep(pair)
            return pair
        # Two first sign-ins at the same moment must agree on one key.
        moment = signing_keys.lock_signing_keys(session)
        pair = open_pair(*(signing_keys.signing_key(session) or create_pair(session, moment)))
        # A key of a transaction that is rolled back must sign nothing.
        after_commit(session, lambda: self.keep(pair))
        return pair

    def keep(self, pair: SigningKeyPair) -> None:
        self.pair, self.read_at = pair, time.monotonic()


_current = _Current()


def open_pair(key_id: UUID, ciphertext: str) -> SigningKeyPair:
    """The pair whose private half was stored as `ciphertext`. Raises DecryptionFailed."""
    raw = decrypt(ciphertext, SIGNING_SECRET.context(key_id))
    return SigningKeyPair(str(key_id), Ed25519PrivateKey.from_private_bytes(raw))


def create_pair(session: Session, active_at: datetime) -> tuple[UUID, str]:
    """A new pair, which signs from `active_at` on: its id and its encrypted private half."""
    private_key = Ed25519PrivateKey.generate()
    key_id = new_id()
    ciphertext = encrypt(private_key.private_bytes_raw(), SIGNING_SECRET.context(key_id))
    public_key = private_key.public_key().public_bytes_raw()
    signing_keys.add_signing_key(session, key_id, public_key, ciphertext, active_at)
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
