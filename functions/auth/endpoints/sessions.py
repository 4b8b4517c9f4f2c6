from typing import Annotated
from uuid import UUID

from fastapi import Path

from common.access import LiveUser
from common.database import Db
from common.errors import NotFound, problems
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.auth import reauthentication, sessions, sign_in
from functions.auth.schemas.recovery import Reauthentication
from functions.auth.schemas.sessions import SessionRead

router = Router(prefix="/v1/auth", tags=["auth"])

SessionId = Annotated[UUID, Path(description="The id of a session of yours.")]


@router.get(
    "/sessions",
    operation_id="list_sessions",
    summary="List your sessions",
    responses=problems(BrokenCursor),
)
async def list_sessions(page: PageQuery, user: LiveUser) -> Page[SessionRead]:
    """Where you are signed in, the newest sign-in first."""
    return await sessions.own_sessions(user, page)


@router.delete(
    "/sessions/{session_id:uuid}",
    status_code=204,
    operation_id="end_session",
    summary="End one of your sessions",
    responses=problems(NotFound),
)
def end_session(session_id: SessionId, user: LiveUser, db: Db) -> None:
    """Sign a device out. Its refresh token stops working at once, its access token within 10 minutes."""
    sessions.end_session(db, user, session_id)


@router.post(
    "/reauthenticate",
    status_code=204,
    operation_id="reauthenticate",
    summary="Prove again who you are",
    responses=problems(sign_in.InvalidCredentials, *reauthentication.LIMITED),
)
async def reauthenticate(body: Reauthentication, user: LiveUser) -> None:
    """Give your password again, for an operation that wants a recent sign-in. The tokens stay as they are."""
    await reauthentication.reauthenticate(user, body.password)
