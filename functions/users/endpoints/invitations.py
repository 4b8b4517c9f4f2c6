from typing import Annotated
from uuid import UUID

from fastapi import Path

from common.access import Principal, requires
from common.database import Db, answer_in_transaction
from common.errors import NotFound, TooManyRequests, Unavailable, problems
from common.idempotency import Idempotent
from common.routing import Router
from functions.users import invitation_limits, invitations
from functions.users.powers import UnknownRole
from functions.users.schemas.invitations import Invite, InvitedAccount

router = Router(prefix="/v1/users", tags=["users"])

Administrator = Annotated[Principal, requires("users:write", live=True)]
RecentAdministrator = Annotated[Principal, requires("users:write", recent=True)]
InvitedId = Annotated[UUID, Path(description="The `id` of an account that is invited.")]


@router.post(
    "",
    status_code=201,
    operation_id="invite_user",
    summary="Invite somebody",
    dependencies=[Idempotent],
    responses=problems(invitations.AddressTaken, UnknownRole, TooManyRequests, Unavailable),
)
async def invite_user(body: Invite, user: RecentAdministrator) -> InvitedAccount:
    """Create an account without a password, and mail its person a link with which to choose one.

    `Location` is the account. You can give no role that permits more than you may do yourself.
    """
    await invitation_limits.check_invite(user.user_id)
    return await answer_in_transaction(lambda session: invitations.create_invited(session, user, body))


@router.post(
    "/{user_id:uuid}/invitation",
    operation_id="resend_invitation",
    summary="Send an invitation again",
    dependencies=[Idempotent],
    responses=problems(NotFound, invitations.NotInvited, TooManyRequests, Unavailable),
)
async def resend_invitation(user_id: InvitedId, user: Administrator) -> InvitedAccount:
    """Mail another link, also where the last has expired; those before it no longer work."""
    await invitation_limits.check_resend(user_id)
    return await answer_in_transaction(lambda session: invitations.resend(session, user, user_id))


@router.delete(
    "/{user_id:uuid}/invitation",
    status_code=204,
    operation_id="revoke_invitation",
    summary="Revoke an invitation",
    responses=problems(NotFound, invitations.NotInvited),
)
def revoke_invitation(user_id: InvitedId, user: Administrator, db: Db) -> None:
    """Delete the invited account: its link no longer works, and its address is free."""
    invitations.revoke(db, user, user_id)
