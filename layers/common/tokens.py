"""Access tokens verified: the JWTs that `auth` signs, with the public keys of the database."""

import time
from collections import deque
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import ColumnElement, Connection, func, or_, select

from common.database.transactions import in_reading
from common.ids import made_at
from common.models import SigningKey
from common.principals import InvalidToken, Principal
from common.settings import get_settings

ALGORITHM: Final = "EdDSA"
KEYS_SECONDS: Final = 30.0
"""How long a process trusts the keys that it has read: so long tokens of a revoked key may still pass."""
SIGNER_SECONDS: Final = 10.0
"""How long a process of `auth` signs with the key that it has read."""

_REQUIRED_CLAIMS: Final = ["iss", "aud", "sub", "sid", "scope", "iat", "exp", "jti"]
_LEEWAY_SECONDS: Final = 5
# How far the clocks of two machines may differ.
_CLOCKS_SECONDS: Final = 60
_YOUNG_READINGS: Final = 10
_REMEMBERED: Final = 4096


def seconds_after_retirement() -> int:
    """How long a key that signs no more is published: until the last token that it signed has expired."""
    return round(SIGNER_SECONDS) + get_settings().access_token_seconds + _LEEWAY_SECONDS + _CLOCKS_SECONDS


class VerificationKeys:
    """The public keys of `signing_keys`, read anew every KEYS_SECONDS."""

    def __init__(self) -> None:
        """Nothing is read before the first token."""
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._read_at = -KEYS_SECONDS
        self._read_clock = 0.0
        self._readings: deque[float] = deque(maxlen=_YOUNG_READINGS)

    def needs_reading(self, kid: str) -> bool:
        """Whether the keys in memory are old, or may lack `kid`.

        A key's id tells when it was made: one that claims to be younger than what is in memory is looked up
        at once, and no stream of such claims costs more than _YOUNG_READINGS a second.
        """
        now = time.monotonic()
        if now - self._read_at > KEYS_SECONDS:
            return True
        if kid in self._keys or made_at(kid) < self._read_clock - _CLOCKS_SECONDS:
            return False
        return len(self._readings) < _YOUNG_READINGS or now - self._readings[0] > 1

    def get(self, kid: str) -> Ed25519PublicKey | None:
        """The key from memory."""
        return self._keys.get(kid)

    def knows(self, kid: str) -> bool:
        """Whether the key is in memory, and that is young enough to be trusted."""
        return kid in self._keys and time.monotonic() - self._read_at <= KEYS_SECONDS

    def read(self, connection: Connection, kid: str) -> None:
        """Read all keys, unless another thread has done so meanwhile.

        Several may read at the same moment: that costs less than a lock held while Postgres is asked.
        """
        if not self.needs_reading(kid):
            return
        began = time.monotonic()
        self._readings.append(began)
        rows = connection.execute(select(SigningKey.id, SigningKey.public_key).where(is_published())).all()
        self._keys = {str(row.id): Ed25519PublicKey.from_public_bytes(row.public_key) for row in rows}
        self._read_at = began
        self._read_clock = time.time()

    def forget(self) -> None:
        """Read again at the next token: for tests and after a rotation in this process."""
        self._keys = {}
        self._read_at = -KEYS_SECONDS
        self._readings.clear()


def is_published() -> ColumnElement[bool]:
    """The keys that may sign, have signed or will sign a live token."""
    gone = func.now() - timedelta(seconds=seconds_after_retirement())
    return or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > gone)


verification_keys = VerificationKeys()
_verified: dict[str, tuple[str, Principal]] = {}


async def verify(token: str) -> Principal:
    """The principal of an access token. Raises InvalidToken.

    A token that was verified is remembered until it expires or its key is gone: a signature costs more than
    all else here.
    """
    known = _verified.get(token)
    if known is not None and known[1].expires_at > time.time() and verification_keys.knows(known[0]):
        return known[1]
    kid, claims = await _decode(token)
    try:
        principal = _principal(claims)
    except (ValueError, TypeError, AttributeError):
        raise InvalidToken from None
    if len(_verified) >= _REMEMBERED:
        _verified.clear()
    _verified[token] = (kid, principal)
    return principal


async def verified_claims(token: str) -> dict[str, Any]:
    """All claims of an access token. Raises InvalidToken."""
    _, claims = await _decode(token)
    return claims


async def _decode(token: str) -> tuple[str, dict[str, Any]]:
    """The id of the token's key, and its claims. Raises InvalidToken."""
    settings = get_settings()
    try:
        header = jwt.get_unverified_header(token)
        kid = str(header["kid"])
        if header["alg"] != ALGORITHM:
            raise InvalidToken
        if verification_keys.needs_reading(kid):
            await in_reading(lambda connection: verification_keys.read(connection, kid))
        key = verification_keys.get(kid)
        if key is None:
            raise InvalidToken
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=settings.issuer,
            audience=settings.token_audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED_CLAIMS},
        )
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidToken from None
    return kid, claims


def _principal(claims: dict[str, Any]) -> Principal:
    return Principal(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        permissions=frozenset(claims["scope"].split()),
        expires_at=claims["exp"],
    )


def forget_tokens() -> None:
    """Verify every token anew: for tests and after a rotation in this process."""
    _verified.clear()
    verification_keys.forget()
