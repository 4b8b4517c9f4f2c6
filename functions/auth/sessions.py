"""The sessions of a person: listed, ended."""

from typing import Literal

from sqlalchemy.orm import Session

from common import accounts, audit
from common.access import Principal

type Scope = Literal["current", "others", "all"]


def sign_out(session: Session, user: Principal, scope: Scope) -> None:
    """End sessions of the caller; their refresh tokens stop working at once."""
    match scope:
        case "current":
            ended = accounts.revoke_sessions(session, "signed_out", session_id=user.session_id)
        case "others":
            ended = accounts.revoke_sessions(
                session, "signed_out_elsewhere", user_id=user.user_id, but=user.session_id
            )
        case "all":
            ended = accounts.revoke_sessions(session, "signed_out", user_id=user.user_id)
    if ended:
        audit.record(
            session,
            "session.revoked",
            subject_id=user.user_id,
            reason="signed_out",
            scope=scope,
            number=len(ended),
        )
