from common.errors import Unavailable, problems
from common.one_time_tokens import InvalidLink
from common.rate_limits import limited
from common.routing import Router
from common.schemas import Message
from functions.auth import invitations, limits
from functions.auth.schemas.invitations import InvitationAcceptance

router = Router(prefix="/v1/auth", tags=["auth"])


@router.post(
    "/invitations/accept",
    operation_id="accept_invitation",
    summary="Accept an invitation",
    dependencies=[limited(limits.LINK, overall=limits.LINKS_EVERYBODY)],
    responses=problems(InvalidLink, Unavailable),
)
async def accept_invitation(body: InvitationAcceptance) -> Message:
    """Spend the token of a mailed invitation: the account is yours, its address verified, its password set.

    All other links to the account stop working.
    """
    await invitations.accept(body.token, body.password, body.name)
    return Message(message="The account is yours. You can sign in now.")
