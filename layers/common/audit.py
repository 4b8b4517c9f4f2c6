"""The one writer of the audit log: who did what to whom, from where, with what result."""

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from common.context import current_context
from common.ids import new_id
from common.models import AuditEntry

type Outcome = Literal["success", "refused"]


def record(
    session: Session,
    action: str,
    outcome: Outcome = "success",
    *,
    subject_id: UUID | None,
    actor_id: UUID | None = None,
    **details: Any,  # noqa: ANN401 - any JSON
) -> None:
    """Append an entry in the caller's transaction.

    `action` is `<thing>.<verb>`, such as `session.revoked`; the actor is who is signed in, unless given. No
    secrets and no addresses of mail in `details`.
    """
    context = current_context()
    session.execute(
        insert(AuditEntry).values(
            id=new_id(),
            action=action,
            outcome=outcome,
            actor_id=actor_id or context.user_id,
            subject_id=subject_id,
            session_id=context.session_id,
            api_key_id=context.api_key_id,
            client_address=context.client_address,
            user_agent=context.user_agent.replace("\x00", ""),
            request_id=context.request_id,
            details=details,
        )
    )
