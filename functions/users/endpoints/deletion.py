from typing import Annotated
from uuid import UUID

from fastapi import Path

from common.access import InsufficientScope, Principal, RecentUser, requires
from common.accounts import LastAdministrator
from common.database import Db
from common.errors import NotFound, problems
from common.one_time_tokens import InvalidLink
from common.rate_limits import limited
from common.routing import Router
from common.schemas import Message
from functions.users import deletion, limits
from functions.users.schemas.deletion import DeletionRead, DeletionUndo

router = Router(prefix="/v1/users", tags=["users"])

Administrator = Annotated[Principal, requires("users:write", recent=True)]
UserId = Annotated[UUID, Path(description="The id of the account.")]


@router.delete(
    "/me",
    status_code=202,
    operation_id="delete_me",
    summary="Delete your account",
    responses=problems(LastAdministrator),
)
def delete_me(user: RecentUser, db: Db) -> DeletionRead:
    """Have your account erased after a time of grace, in which the link in a mail undoes it.

    All your sessions end at once, and your API keys stop working.
    """
    return deletion.delete_own(db, user)


@router.delete(
    "/{user_id:uuid}",
    status_code=202,
    operation_id="delete_user",
    summary="Delete an account",
    responses=problems(NotFound, InsufficientScope, deletion.OwnAccount, LastAdministrator),
)
def delete_user(user_id: UserId, user: Administrator, db: Db) -> DeletionRead:
    """Have another's account erased after the time of grace; they are told by mail.

    Until then an administrator can make it active again, and its owner cannot.
    """
    return deletion.delete_another(db, user, user_id)


@router.post(
    "/undo-deletion",
    operation_id="undo_deletion",
    summary="Keep your account",
    dependencies=[limited(limits.UNDO, overall=limits.UNDO_EVERYBODY)],
    responses=problems(InvalidLink),
)
def undo_deletion(body: DeletionUndo, db: Db) -> Message:
    """Spend the token of the link that was mailed when you deleted your account: it is active again."""
    deletion.undo(db, body.token)
    return Message(message="Your account is active again. You can sign in.")
