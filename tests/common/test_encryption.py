import base64

import pytest

from common.encryption import DecryptionFailed, decrypt, encrypt, keyed_digest, seal, unseal
from common.settings import SettingsError
from tests.support.fixtures import SettingsChange

OLD, NEW = (
    f"{name}:{base64.urlsafe_b64encode(name.encode() * 16).decode().rstrip('=')}" for name in ("aa", "bb")
)


def test_a_ciphertext_names_its_key_and_survives_a_new_first_key(settings: SettingsChange) -> None:
    settings(ENCRYPTION_KEYS=OLD)
    ciphertext = encrypt(b"a seed", "job:1")
    assert ciphertext.startswith("aa.")
    settings(ENCRYPTION_KEYS=f"{NEW},{OLD}")
    assert decrypt(ciphertext, "job:1") == b"a seed"
    assert encrypt(b"a seed", "job:1").startswith("bb.")
    settings(ENCRYPTION_KEYS=NEW)
    with pytest.raises(DecryptionFailed, match="aa"):
        decrypt(ciphertext, "job:1")


def test_a_ciphertext_opens_in_its_own_context_only() -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(encrypt(b"a seed", "job:1"), "job:2")


@pytest.mark.parametrize("broken", ["", ".", "x", "development.", "development.%%%", "development.AAAA"])
def test_what_is_no_ciphertext_is_told_so(settings: SettingsChange, broken: str) -> None:
    settings()
    with pytest.raises(DecryptionFailed):
        decrypt(broken, "job:1")


def test_two_encryptions_of_one_text_differ() -> None:
    assert encrypt(b"a seed", "job:1") != encrypt(b"a seed", "job:1")


def test_sealed_text_opens_with_its_secret_only() -> None:
    sealed = seal(b"the successor", b"the secret", "c")
    assert unseal(sealed, b"the secret", "c") == b"the successor"
    for secret, context in ((b"another", "c"), (b"the secret", "d")):
        with pytest.raises(DecryptionFailed):
            unseal(sealed, secret, context)


def test_a_digest_tells_its_parts_apart() -> None:
    assert keyed_digest("c", "ab", "c") != keyed_digest("c", "a", "bc")
    assert keyed_digest("c", "ab") != keyed_digest("d", "ab")


@pytest.mark.parametrize("keys", ["nokey", "a:AAAA", "a:%%"])
def test_a_malformed_key_stops_the_start_by_name(settings: SettingsChange, keys: str) -> None:
    settings(ENCRYPTION_KEYS=keys)
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS"):
        encrypt(b"x", "job:1")
