"""RFC 7009: whoever holds a token can have it end."""

from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from common import accounts, audit, tokens
from common.access import API_KEY_PREFIX
from common.api_keys import forget_api_key, key_digest, public_id
from common.context import current_context
from common.database import in_transaction
from common.database.transactions import after_commit
from common.one_time_tokens import token_digest
from common.principals import InvalidToken
from functions.auth.grants import TokenMissing
from functions.auth.repository import presented_tokens
from functions.auth.sign_in import REFRESH_TOKEN_PREFIX

_REASON = "token_revoked"


async def revoke(token: str) -> None:
    """End the session that an access or refresh token belongs to, or delete the API key.

    A refresh token does so as long as its session lives, also when it was used. An unknown token is no error
    (section 2.2), so that nobody learns which ones there are. Raises TokenMissing.
    """
    if not token:
        raise TokenMissing
    if token.startswith(API_KEY_PREFIX):
        await in_transaction(lambda session: _delete_key(session, token))
    elif token.startswith(REFRESH_TOKEN_PREFIX):
        await in_transaction(lambda session: _end_session_of(session, token))
    else:
        try:
            principal = await tokens.verify(token)
        except InvalidToken:
            return
        await in_transaction(lambda session: _end(session, principal.user_id, principal.session_id))


def _end_session_of(session: Session, refresh_token: str) -> None:
    row = presented_tokens.session_of_refresh_token(session, token_digest(refresh_token))
    if row is not None:
        _end(session, row.user_id, row.session_id)


def _end(session: Session, user_id: UUID, session_id: UUID | None) -> None:
    if session_id is not None and accounts.revoke_sessions(session, _REASON, session_id=session_id):
        context = current_context()
        context.user_id, context.session_id = user_id, session_id
        audit.record(session, "session.revoked", subject_id=user_id, reason=_REASON)


def _delete_key(session: Session, key: str) -> None:
    key_id = public_id(key)
    if key_id is None:
        return
    user_id = presented_tokens.delete_api_key(session, key_id, key_digest(key))
    if user_id is not None:
        after_commit(session, partial(forget_api_key, key_id))
        current_context().api_key_id = key_id
        audit.record(session, "api_key.deleted", subject_id=user_id, reason=_REASON, key_id=str(key_id))
