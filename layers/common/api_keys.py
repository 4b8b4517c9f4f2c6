"""API keys: their format, which can be recognised offline, and their verification, in every function.

`lk_<id>_<secret><checksum>`: the id is public (22 characters), the secret has 256 random bits (43), the
checksum is the CRC-32 of all before it (6). All are base62, so that a key is one word to a double click.
"""

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
import zlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from common.context import current_context
from common.database.transactions import AnyRow, in_reading, in_transaction
from common.permissions import permissions_of
from common.principals import InvalidToken, NetworkNotAllowed, Principal
from common.rate_limits import Limit, check_limits
from common.roles import OWN_MADE
from common.settings import Network

PATTERN: Final = r"\blk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b"
"""What a scanner for leaked secrets looks for, before it compares the checksum: see docs/api-keys.md."""

REMEMBERED_SECONDS: Final = 10.0
"""How long a process trusts a key that it has verified: so long a revocation may take to be seen."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(r"lk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}")
_ID: Final = slice(3, 25)
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


def key_start(key_id: UUID) -> str:
    """The public part of the keys with this id, by which a person recognises them."""
    return f"lk_{_encode(key_id.int, 22)}"


def new_key(key_id: UUID) -> str:
    """A new key with this public id."""
    head = f"{key_start(key_id)}_{_encode(secrets.randbits(256), _SECRET)}"
    return head + _checksum(head)


def is_api_key(text: str) -> bool:
    """Whether `text` is a key by its shape and its checksum, without a look at any database."""
    return _SHAPE.fullmatch(text) is not None and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def public_id(key: str) -> UUID | None:
    """The id in a key; None where it is no key of ours."""
    if not is_api_key(key):
        return None
    number = _decode(key[_ID])
    return UUID(int=number) if number < 1 << 128 else None


def key_digest(key: str) -> bytes:
    """What the database stores. Nobody can guess 256 random bits back from a plain digest."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(slots=True)
class _Known:
    """What is known of a key, and until when (a monotonic clock's time) that is to be trusted.

    After a rotation there are two secrets, and the one before has an end of its own. `unnoted` says that its
    next use is due to be written down.
    """

    principal: Principal
    networks: tuple[Network, ...]
    requests_per_minute: int | None
    digest: bytes
    until: float
    previous_digest: bytes | None
    previous_until: float
    unnoted: bool

    def accepts(self, digest: bytes, now: float) -> bool:
        """Whether the key with this digest is, at this time, known to be good."""
        if now < self.until and hmac.compare_digest(self.digest, digest):
            return True
        previous = self.previous_digest
        return previous is not None and now < self.previous_until and hmac.compare_digest(previous, digest)


class _Memory:
    """The keys that this process has verified lately."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.forgettings = 0
        self._known: dict[UUID, _Known] = {}
        self._lock = threading.Lock()

    def recall(self, key_id: UUID) -> _Known | None:
        """What was kept."""
        return self._known.get(key_id)

    def keep(self, key_id: UUID, known: _Known, forgettings: int) -> None:
        """Keep what was read, unless something was forgotten since: then it may be older than the change."""
        with self._lock:
            if self.forgettings != forgettings:
                return
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key_id] = known

    def drop(self, key_id: UUID) -> None:
        """Forget a key that was found to be gone: another process has ended it."""
        self._known.pop(key_id, None)

    def forget(self, key_id: UUID | None = None) -> None:
        """Forget one key, or all, and what is being read at this moment."""
        with self._lock:
            self.forgettings += 1
            if key_id is None:
                self._known.clear()
            else:
                self._known.pop(key_id, None)


_memory = _Memory()
_clock = time.monotonic

_FIND: Final = text(f"""
    select api_keys.user_id, digest, scopes, networks, requests_per_minute,
        case when previous_expires_at > now() then previous_digest end as previous_digest,
        extract(epoch from previous_expires_at - now()) as previous_seconds_left,
        extract(epoch from expires_at - now()) as seconds_left, extract(epoch from expires_at) as expires_at,
        last_used_at is null or last_used_at < now() - interval '1 minute' as unnoted, users.roles, {OWN_MADE}
    from api_keys join users on users.id = api_keys.user_id
    where api_keys.id = :key_id and users.state = 'active' and (expires_at is null or expires_at > now())
""")  # noqa: S608 - a constant of ours
# Of requests and processes that notice the same minute one writes. The others find the condition false, or
# the row locked: by that one, or by a change of the key, for which a use of it does not wait.
_TOUCH: Final = text("""
    update api_keys set last_used_at = now() where id = (
        select id from api_keys
        where id = :key_id and (last_used_at is null or last_used_at < now() - interval '1 minute')
        for no key update skip locked
    )
""")


async def verify_api_key(key: str, *, fresh: bool = False) -> Principal:
    """The principal of a key, with what its scopes and its account both permit.

    One query by primary key, remembered for REMEMBERED_SECONDS unless `fresh`, and once a minute a note of
    the use; one more statement where the key has a limit of its own. Raises InvalidToken, NetworkNotAllowed,
    TooManyRequests.
    """
    key_id = public_id(key)
    if key_id is None:
        raise InvalidToken
    digest = key_digest(key)
    known = None if fresh else _memory.recall(key_id)
    if known is None or not known.accepts(digest, _clock()):
        known = await _read(key_id, digest)
    _check_network(known.networks)
    if known.requests_per_minute is not None:
        await _check_own_limit(key_id, known.requests_per_minute)
    if known.unnoted:
        # Only a use that got this far counts, however many that were refused came before it.
        known.unnoted = False
        await in_transaction(lambda session: _touch(session, key_id))
    return known.principal


async def _read(key_id: UUID, digest: bytes) -> _Known:
    """What the database knows of a key. Raises InvalidToken."""
    began, forgettings = _clock(), _memory.forgettings
    row = await in_reading(lambda connection: _find(connection, key_id))
    if row is None:
        _memory.drop(key_id)
        raise InvalidToken
    known = _from_row(row, key_id, began)
    if not known.accepts(digest, began):
        raise InvalidToken
    _memory.keep(key_id, known, forgettings)
    return known


def _find(connection: Connection, key_id: UUID) -> AnyRow | None:
    return connection.execute(_FIND, {"key_id": key_id}).first()


def _touch(session: Session, key_id: UUID) -> None:
    session.execute(_TOUCH, {"key_id": key_id})


def _from_row(row: AnyRow, key_id: UUID, began: float) -> _Known:
    until = began + _trusted_seconds(row.seconds_left)
    principal = Principal(
        user_id=row.user_id,
        session_id=None,
        permissions=permissions_of(row.roles, row.own_made) & frozenset(row.scopes),
        expires_at=float(row.expires_at) if row.expires_at is not None else math.inf,
        api_key_id=key_id,
    )
    return _Known(
        principal=principal,
        networks=tuple(ip_network(network) for network in row.networks),
        requests_per_minute=row.requests_per_minute,
        digest=bytes(row.digest),
        until=until,
        previous_digest=None if row.previous_digest is None else bytes(row.previous_digest),
        previous_until=min(until, began + _trusted_seconds(row.previous_seconds_left)),
        unnoted=row.unnoted,
    )


def _trusted_seconds(seconds_left: Any) -> float:  # noqa: ANN401 - a Decimal or a float, as the driver has it
    return REMEMBERED_SECONDS if seconds_left is None else min(REMEMBERED_SECONDS, float(seconds_left))


def _check_network(networks: tuple[Network, ...]) -> None:
    if not networks:
        return
    try:
        address = ip_address(current_context().client_address)
    except ValueError:
        # Who connects over a unix socket has none.
        raise NetworkNotAllowed from None
    if not any(address in network for network in networks):
        raise NetworkNotAllowed


async def _check_own_limit(key_id: UUID, requests_per_minute: int) -> None:
    # With its quota in the name: what was spent under a wide limit must not count against a narrow one.
    own = Limit("api-key", quota=requests_per_minute, seconds=60)
    await check_limits((own, f"{key_id} {requests_per_minute}"))


def forget_api_key(key_id: UUID) -> None:
    """Verify a key anew at its next use: after a change in this process."""
    _memory.forget(key_id)


def forget_api_keys() -> None:
    """Verify every key anew: for tests, and after a change of many in this process."""
    _memory.forget()
