"""Secrets at rest: AES-256-GCM under the keys of ENCRYPTION_KEYS; a ciphertext names its key."""

import base64
import binascii
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.encrypted_columns import check_context
from common.settings import SettingsError, secret_settings

_NONCE_BYTES: Final = 12


class DecryptionFailed(Exception):
    """The ciphertext was altered, is of another context, or its key is gone."""


@lru_cache(maxsize=8)
def _parse_keys(entries: tuple[str, ...]) -> dict[str, AESGCM]:
    keys: dict[str, AESGCM] = {}
    for entry in entries:
        name, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "==")
            keys[name] = AESGCM(key if len(key) == 32 else b"")
        except (ValueError, binascii.Error):
            raise SettingsError(
                f"Lambkin cannot start. ENCRYPTION_KEYS: {name!r} is not `name:` and 32 bytes in base64."
            ) from None
    return keys


def encrypt(plaintext: bytes, context: str) -> str:
    """`<key>.<base64 of nonce and ciphertext>`. Only the same `context` can decrypt it.

    `context` is made by the column that will hold the ciphertext, see `common.encrypted_columns`. Raises
    ValueError for any other.
    """
    check_context(context)
    keys = _parse_keys(secret_settings().encryption_keys)
    name, key = next(iter(keys.items()))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + key.encrypt(nonce, plaintext, context.encode())
    return f"{name}.{base64.urlsafe_b64encode(sealed).decode()}"


def key_names() -> tuple[str, ...]:
    """The names of all keys of ENCRYPTION_KEYS, in their order: the first encrypts."""
    return tuple(_parse_keys(secret_settings().encryption_keys))


def decrypt(ciphertext: str, context: str) -> bytes:
    """The plaintext. Raises DecryptionFailed."""
    name, _, encoded = ciphertext.rpartition(".")
    key = _parse_keys(secret_settings().encryption_keys).get(name)
    if key is None:
        raise DecryptionFailed(f"no key named {name!r} in ENCRYPTION_KEYS")
    try:
        return _open(key, base64.urlsafe_b64decode(encoded), context)
    except (ValueError, binascii.Error):
        raise DecryptionFailed("not a ciphertext") from None


def _open(key: AESGCM, sealed: bytes, context: str) -> bytes:
    try:
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except InvalidTag:
        raise DecryptionFailed("altered, or of another context") from None


def _derived(secret: bytes, context: str) -> AESGCM:
    # HKDF (RFC 5869): `secret` has its full entropy already, so no slow derivation is needed.
    key = HKDF(SHA256(), length=32, salt=None, info=f"lambkin:{context}".encode()).derive(secret)
    return AESGCM(key)


def seal(plaintext: bytes, secret: bytes, context: str) -> bytes:
    """Encrypt under a key derived from `secret`, which is not stored: who lacks it cannot read it."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _derived(secret, context).encrypt(nonce, plaintext, context.encode())


def unseal(sealed: bytes, secret: bytes, context: str) -> bytes:
    """Reverse `seal`. Raises DecryptionFailed."""
    return _open(_derived(secret, context), sealed, context)


def keyed_digest(context: str, *parts: bytes | str) -> bytes:
    """HMAC-SHA256 under SERVER_SECRET over `parts`, each with its length: 32 bytes."""
    mac = hmac.new(secret_settings().server_secret.encode(), f"lambkin:{context}".encode(), hashlib.sha256)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        mac.update(len(raw).to_bytes(8) + raw)
    return mac.digest()
