"""Sessions, as their owner and the notices of sign-ins see them. `common.accounts` writes them."""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import Session as SignIn
from common.models import User
from common.pagination import PageParameters, SortKey, paginate_rows

_NEWEST_FIRST: Final = (SortKey(SignIn.created_at, "desc"), SortKey(SignIn.id, "desc"))
# Of the many sign-ins of a script, the latest tell enough.
_COMPARED: Final = 100


def live_sessions(
    connection: Connection, user_id: UUID, page: PageParameters
) -> tuple[list[AnyRow], str | None]:
    """A page of the sessions of an account that were neither ended nor have expired."""
    statement = select(
        SignIn.id,
        SignIn.user_agent,
        SignIn.client_address,
        SignIn.last_address,
        SignIn.created_at,
        SignIn.last_seen_at,
        SignIn.expires_at,
    ).where(SignIn.user_id == user_id, SignIn.revoked_at.is_(None), SignIn.expires_at > func.now())
    return paginate_rows(connection, statement, _NEWEST_FIRST, page, context=f"sessions of {user_id}")


def is_live(session: Session, session_id: UUID) -> bool:
    """Whether a session was neither ended nor has expired."""
    live = select(SignIn.id).where(
        SignIn.id == session_id, SignIn.revoked_at.is_(None), SignIn.expires_at > func.now()
    )
    return session.scalar(live) is not None


def opened(session: Session, session_id: UUID) -> AnyRow | None:
    """A session with the name and the address of mail of its person."""
    statement = (
        select(
            SignIn.user_id,
            SignIn.user_agent,
            SignIn.client_address,
            SignIn.created_at,
            User.name,
            User.email,
        )
        .join(User, User.id == SignIn.user_id)
        .where(SignIn.id == session_id, User.state == "active")
    )
    return session.execute(statement).first()


def user_agents_before(session: Session, user_id: UUID, session_id: UUID) -> list[str]:
    """The user agents of the sessions that an account opened before this one, ended ones too."""
    statement = (
        select(SignIn.user_agent)
        .where(SignIn.user_id == user_id, SignIn.id < session_id)
        .order_by(SignIn.created_at.desc())
        .limit(_COMPARED)
    )
    return list(dict.fromkeys(session.scalars(statement)))
