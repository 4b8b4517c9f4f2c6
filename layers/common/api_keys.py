"""API keys: their format, which can be recognised offline, and their verification, in every function.

`lk_<id>_<secret><checksum>`: the id is public (22 characters), the secret has 256 random bits (43), the
checksum is the CRC-32 of all before it (6). All are base62, so that a key is one word to a double click.
"""

import hashlib
import hmac
import math
import re
import secrets
import time
import zlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from common.context import current_context
from common.database.transactions import AnyRow, in_reading, in_transaction
from common.permissions import permissions_of
from common.principals import InvalidToken, NetworkNotAllowed, Principal
from common.rate_limits import Limit, check_limits
from common.roles import OWN_MADE

PATTERN: Final = r"\blk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b"
"""What a scanner for leaked secrets looks for; `is_api_key` then checks the checksum."""

REMEMBERED_SECONDS: Final = 10.0
"""How long a process trusts a key that it has verified: so long a revocation may take to be seen."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(r"lk_([0-9A-Za-z]{22})_[0-9A-Za-z]{49}")
_CHECKSUM: Final = 6
_SECRET: Final = 43
_REMEMBERED: Final = 4096


def _encode(number: int, size: int) -> str:
    digits = []
    for _ in range(size):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _decode(text: str) -> int:
    number = 0
    for character in text:
        number = number * 62 + _ALPHABET.index(character)
    return number


def _checksum(text: str) -> str:
    return _encode(zlib.crc32(text.encode()), _CHECKSUM)


def new_key(key_id: UUID) -> str:
    """A new key with this public id."""
    head = f"lk_{_encode(key_id.int, 22)}_{_encode(secrets.randbits(256), _SECRET)}"
    return head + _checksum(head)


def is_api_key(text: str) -> bool:
    """Whether `text` is a key by its shape and its checksum, without a look at any database."""
    return _SHAPE.fullmatch(text) is not None and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def public_id(key: str) -> UUID | None:
    """The id in a key; None where it is no key of ours."""
    if not is_api_key(key):
        return None
    number = _decode(key[3:25])
    return UUID(int=number) if number < 1 << 128 else None


def key_digest(key: str) -> bytes:
    """What the database stores. Nobody can guess 256 random bits back from a plain digest."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    """A verified key in the memory of this process; `until` is a monotonic clock's."""

    principal: Principal
    networks: tuple[str, ...]
    requests_per_minute: int | None
    until: float


_known: dict[bytes, _Known] = {}

_FIND: Final = text(f"""
    select api_keys.user_id, digest, previous_expires_at > now() and previous_digest is not null as overlaps,
        previous_digest, scopes, networks, requests_per_minute, extract(epoch from expires_at) as expires_at,
        last_used_at is null or last_used_at < now() - interval '1 minute' as stale, users.roles, {OWN_MADE}
    from api_keys join users on users.id = api_keys.user_id
    where api_keys.id = :key_id and users.state = 'active' and (expires_at is null or expires_at > now())
""")  # noqa: S608 - a constant of ours
# Of processes that notice the same minute, one writes: the others find the condition false.
_TOUCH: Final = text("""
    update api_keys set last_used_at = now()
    where id = :key_id and (last_used_at is null or last_used_at < now() - interval '1 minute')
""")


async def verify_api_key(key: str, *, fresh: bool = False) -> Principal:
    """The principal of a key, with what its scopes and its account both permit.

    One query by primary key, remembered for REMEMBERED_SECONDS unless `fresh`; one more statement where the
    key has a limit of its own. Raises InvalidToken, NetworkNotAllowed, TooManyRequests.
    """
    key_id = public_id(key)
    if key_id is None:
        raise InvalidToken
    digest = key_digest(key)
    known = _known.get(digest)
    if known is None or fresh or known.until < time.monotonic() or known.principal.expires_at < time.time():
        known = await _read(key_id, digest)
    _check_network(known.networks)
    if known.requests_per_minute is not None:
        own = Limit("api-key", quota=known.requests_per_minute, seconds=60)
        await check_limits((own, str(key_id)))
    return known.principal


async def _read(key_id: UUID, digest: bytes) -> _Known:
    _known.pop(digest, None)
    row = await in_reading(lambda connection: _find(connection, key_id))
    if row is None or not _matches(row, digest):
        raise InvalidToken
    if row.stale:
        await in_transaction(lambda session: session.execute(_TOUCH, {"key_id": key_id}) and None)
    principal = Principal(
        user_id=row.user_id,
        session_id=None,
        permissions=permissions_of(row.roles, row.own_made) & frozenset(row.scopes),
        expires_at=float(row.expires_at) if row.expires_at is not None else math.inf,
        api_key_id=key_id,
    )
    if len(_known) >= _REMEMBERED:
        _known.clear()
    known = _Known(
        principal, tuple(row.networks), row.requests_per_minute, time.monotonic() + REMEMBERED_SECONDS
    )
    _known[digest] = known
    return known


def _find(connection: Connection, key_id: UUID) -> AnyRow | None:
    return connection.execute(_FIND, {"key_id": key_id}).first()


def _matches(row: AnyRow, digest: bytes) -> bool:
    right = hmac.compare_digest(bytes(row.digest), digest)
    return right or (row.overlaps and hmac.compare_digest(bytes(row.previous_digest), digest))


def _check_network(networks: tuple[str, ...]) -> None:
    if not networks:
        return
    address = ip_address(current_context().client_address)
    if not any(address in ip_network(network) for network in networks):
        raise NetworkNotAllowed


def forget_api_keys() -> None:
    """Verify every key anew: for tests, and after a change in this process."""
    _known.clear()
