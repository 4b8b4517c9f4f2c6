"""The one writer of accounts and sessions, which `auth` and `users` both change."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as DatabaseSession

from common.context import current_context
from common.errors import Conflict
from common.ids import new_id
from common.models import Session, User
from common.permissions import ADMINISTRATOR

_BATCH: Final = 10_000
_ADMINISTRATORS_LOCK: Final = 0x6C616D626B61646D


class LastAdministrator(Conflict):
    """Nobody else could administer."""

    code = "last_administrator"
    detail = "This is the last active administrator: make somebody else one first."


def find_account(session: DatabaseSession, email: str, *, hold: bool = False) -> User | None:
    """The account with this normalised address; with `hold`, nobody changes it until the transaction ends."""
    statement = select(User).where(User.email == email)
    return session.scalar(statement.with_for_update() if hold else statement)


def hold_account(session: DatabaseSession, user_id: UUID) -> User | None:
    """The account, which nobody changes until the transaction ends."""
    return session.scalar(select(User).where(User.id == user_id).with_for_update())


def create_account(
    session: DatabaseSession,
    email: str,
    *,
    name: str = "",
    roles: Sequence[str] = ("member",),
    state: Literal["active", "invited"] = "active",
    verified: bool = False,
) -> User | None:
    """A new account, or None where the address is taken, also by a transaction of the same moment."""
    verified_at = func.now() if verified else None
    statement = (
        insert(User)
        .values(
            id=new_id(),
            email=email,
            name=name,
            roles=sorted(set(roles)),
            state=state,
            email_verified_at=verified_at,
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User)
    )
    return session.scalar(statement)


def change_account(session: DatabaseSession, user_id: UUID, changes: Mapping[str, Any]) -> User | None:
    """Set columns of an account and count its version up; None where it is gone.

    Whatever takes an administrator's powers away holds them first: see `keep_an_administrator`.
    """
    statement = update(User).where(User.id == user_id)
    statement = statement.values(**changes, version=User.version + 1, updated_at=func.now())
    return session.scalar(statement.returning(User), execution_options={"populate_existing": True})


def keep_an_administrator(session: DatabaseSession, user_id: UUID) -> None:
    """Call before an account loses the role `admin`, its state `active` or its row: one other must remain.

    Of requests that take away the last two at the same moment, one waits for the other and is refused. Raises
    LastAdministrator where the account is the only active administrator.
    """
    session.execute(select(func.pg_advisory_xact_lock(_ADMINISTRATORS_LOCK)))
    # One that is not verified cannot sign in, and anybody may have registered it.
    active = select(User.id).where(
        User.roles.contains([ADMINISTRATOR]), User.state == "active", User.email_verified_at.is_not(None)
    )
    found = set(session.scalars(active.limit(2)))
    if found == {user_id}:
        raise LastAdministrator


def delete_account(session: DatabaseSession, user_id: UUID) -> bool:
    """Delete an account with all that hangs on it: sessions, password, tokens. False where it was gone."""
    return session.scalar(delete(User).where(User.id == user_id).returning(User.id)) is not None


def delete_later(session: DatabaseSession, user_id: UUID, grace: timedelta) -> User | None:
    """Mark an account as to be erased in `grace` from now; None where it is gone."""
    return change_account(session, user_id, {"state": "deleting", "erase_at": func.now() + grace})


def leave_tombstone(session: DatabaseSession, user_id: UUID) -> None:
    """Empty an account of the person; its row stays, so that its id elsewhere means nobody for ever.

    The address can be registered again. The domain is one that no mail can go to (RFC 6761).
    """
    nothing: dict[str, Any] = {
        "email": f"{user_id}@deleted.invalid",
        "name": "",
        "locale": "en",
        "roles": [],
        "state": "deleted",
        "disabled_reason": None,
        "password_reset_required": False,
        "erase_at": None,
        "email_verified_at": None,
    }
    change_account(session, user_id, nothing)


def delete_sessions(session: DatabaseSession, user_id: UUID) -> int:
    """Delete the sessions of an account, live or not, with their refresh tokens; how many."""
    batch = select(Session.id).where(Session.user_id == user_id).limit(_BATCH)
    total = 0
    # In batches, so that no statement runs for long.
    while deleted := session.execute(
        delete(Session).where(Session.id.in_(batch)).returning(Session.id)
    ).all():
        total += len(deleted)
    return total


def knows_user_agent(session: DatabaseSession, user_id: UUID) -> bool | None:
    """Whether this account has signed in with the user agent of this request; None where it never has."""
    agent = current_context().user_agent.replace("\x00", "")
    same = func.bool_or(Session.user_agent == agent)
    return session.scalar(select(same).where(Session.user_id == user_id))


def open_session(session: DatabaseSession, user_id: UUID, lifetime: timedelta) -> UUID:
    """A new session from where this request comes; gives its id."""
    context = current_context()
    session_id = new_id()
    session.execute(
        plain_insert(Session).values(
            id=session_id,
            user_id=user_id,
            client_address=context.client_address,
            user_agent=context.user_agent.replace("\x00", ""),
            last_address=context.client_address,
            expires_at=func.now() + lifetime,
        )
    )
    return session_id


def authenticate_again(session: DatabaseSession, session_id: UUID) -> bool:
    """The person of this session has proved just now who they are; False where it is not live."""
    statement = update(Session).where(Session.id == session_id, Session.revoked_at.is_(None))
    statement = statement.values(authenticated_at=func.now()).returning(Session.id)
    return session.scalar(statement) is not None


def change_email(session: DatabaseSession, user_id: UUID, email: str) -> bool:
    """Give an account another address, which is proven; False where somebody else has proved it is theirs.

    An account that was registered or invited with the address, never verified and never signed in gives way:
    whoever made it could prove nothing, and has nothing in it.
    """
    abandoned = (
        User.email == email,
        User.id != user_id,
        User.email_verified_at.is_(None),
        or_(User.state == "invited", and_(User.state == "active", User.roles == ["member"])),
        ~select(Session.id).where(Session.user_id == User.id).exists(),
    )
    session.execute(delete(User).where(*abandoned))
    try:
        with session.begin_nested():
            changed = change_account(session, user_id, {"email": email, "email_verified_at": func.now()})
    except IntegrityError:
        return False
    return changed is not None


def revoke_sessions(
    session: DatabaseSession,
    reason: str,
    *,
    session_id: UUID | None = None,
    user_id: UUID | None = None,
    but: UUID | None = None,
) -> list[UUID]:
    """End one session, or all of a user but one; gives the ids of those that were live."""
    if session_id is None and user_id is None:
        raise ValueError("name a session or a user")
    statement = update(Session).where(Session.revoked_at.is_(None))
    if session_id is not None:
        statement = statement.where(Session.id == session_id)
    if user_id is not None:
        statement = statement.where(Session.user_id == user_id)
    if but is not None:
        statement = statement.where(Session.id != but)
    statement = statement.values(revoked_at=func.now(), revoked_reason=reason)
    return list(session.scalars(statement.returning(Session.id)))
