"""The public keys, for whoever verifies our tokens."""

import base64
from typing import Final

from sqlalchemy.orm import Session

from common.context import current_context
from functions.auth.repository import signing_keys
from functions.auth.schemas.oauth import KeySet, PublicKey
from functions.auth.signing import ensure_signing_key

MAX_AGE_SECONDS: Final = 300
"""How long others may keep the set: a key is in it for longer than this before it signs."""


def key_set(session: Session) -> KeySet:
    """All keys that may sign, have signed or will sign a token that is live."""
    ensure_signing_key(session)
    current_context().response_headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return KeySet(
        keys=[
            PublicKey(kid=str(key_id), x=base64.urlsafe_b64encode(public_key).rstrip(b"=").decode())
            for key_id, public_key in signing_keys.public_keys(session)
        ]
    )
