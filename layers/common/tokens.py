"""Access tokens verified: the JWTs that `auth` signs, with the public keys of the database."""

import time
from typing import Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, or_, select, text

from common.database.transactions import in_reading
from common.ids import made_at
from common.models import SigningKey
from common.principals import InvalidToken, Principal
from common.settings import get_settings

ALGORITHM: Final = "EdDSA"
_REQUIRED_CLAIMS: Final = ["iss", "aud", "sub", "sid", "scope", "iat", "exp", "jti"]
_UNKNOWN_KEY_SECONDS: Final = 30.0
_YOUNG_KEY_SECONDS: Final = 1.0
_KEYS_SECONDS: Final = 600.0
_LEEWAY_SECONDS: Final = 5
_REMEMBERED: Final = 4096


class VerificationKeys:
    """The public keys of `signing_keys`, read when a key is unknown (at most every 30 s) or old."""

    def __init__(self) -> None:
        """Nothing is read before the first token."""
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._read_at = -_KEYS_SECONDS
        self._read_clock = 0.0

    def needs_reading(self, kid: str) -> bool:
        """Whether the keys in memory may not be enough for `kid`.

        A key's id tells when it was made: one that claims to be younger than what is in memory is looked up
        within a second, so that no stream of unknown keys can hide a new one for long.
        """
        age = time.monotonic() - self._read_at
        if age > _KEYS_SECONDS or kid in self._keys:
            return age > _KEYS_SECONDS
        wait = _YOUNG_KEY_SECONDS if made_at(kid) >= self._read_clock - 1 else _UNKNOWN_KEY_SECONDS
        return age > wait

    def get(self, kid: str) -> Ed25519PublicKey | None:
        """The key from memory."""
        return self._keys.get(kid)

    def read(self, connection: Connection, kid: str) -> None:
        """Read all keys, unless another thread has done so meanwhile.

        Several may read at the same moment: that costs less than a lock held while Postgres is asked.
        """
        if not self.needs_reading(kid):
            return
        current = or_(
            SigningKey.retired_at.is_(None), SigningKey.retired_at > text("now() - interval '1 day'")
        )
        rows = connection.execute(select(SigningKey.id, SigningKey.public_key).where(current)).all()
        self._keys = {str(row.id): Ed25519PublicKey.from_public_bytes(row.public_key) for row in rows}
        self._read_at = time.monotonic()
        self._read_clock = time.time()

    def forget(self) -> None:
        """Read again at the next token: for tests and after a rotation in this process."""
        self._keys = {}
        self._read_at = -_KEYS_SECONDS


verification_keys = VerificationKeys()
_verified: dict[str, Principal] = {}


def _decode(token: str, key: Ed25519PublicKey) -> Principal:
    settings = get_settings()
    claims = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=settings.issuer,
        audience=settings.token_audience,
        leeway=_LEEWAY_SECONDS,
        options={"require": _REQUIRED_CLAIMS},
    )
    return Principal(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        permissions=frozenset(claims["scope"].split()),
        expires_at=claims["exp"],
    )


async def verify(token: str) -> Principal:
    """The principal of an access token. Raises InvalidToken.

    A token that was verified is remembered until it expires: a signature costs more than all else here.
    """
    known = _verified.get(token)
    if known is not None and known.expires_at > time.time():
        return known
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
        principal = _decode(token, key)
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidToken from None
    if len(_verified) >= _REMEMBERED:
        _verified.clear()
    _verified[token] = principal
    return principal


def forget_tokens() -> None:
    """Verify every token anew: for tests and after a rotation in this process."""
    _verified.clear()
    verification_keys.forget()
