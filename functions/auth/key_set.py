"""The public keys, for whoever verifies our tokens."""

import base64
from datetime import timedelta

from sqlalchemy.orm import Session

from common.context import current_context
from common.models.base import now
from common.settings import get_settings
from functions.auth.repository import signing_keys
from functions.auth.schemas.oauth import KeySet, PublicKey
from functions.auth.signing import ensure_signing_key


def key_set(session: Session) -> KeySet:
    """All keys that may have signed a token that is still live."""
    ensure_signing_key(session)
    retired_since = now() - timedelta(seconds=get_settings().access_token_seconds)
    current_context().response_headers["Cache-Control"] = "public, max-age=300"
    return KeySet(
        keys=[
            PublicKey(kid=str(key_id), x=base64.urlsafe_b64encode(public_key).rstrip(b"=").decode())
            for key_id, public_key in signing_keys.public_keys(session, retired_since)
        ]
    )
