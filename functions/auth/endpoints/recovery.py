from common.access import LiveUser, RecentUser
from common.database import Db, answer_in_transaction
from common.errors import TooManyRequests, Unavailable, problems
from common.idempotency import Idempotent
from common.one_time_tokens import InvalidLink
from common.rate_limits import limited
from common.routing import Router
from common.schemas import Message
from functions.auth import email_change, limits, reauthentication, recovery, sign_in
from functions.auth.schemas.recovery import AddressOnly, LinkToken, PasswordChange, PasswordReset

router = Router(prefix="/v1/auth", tags=["auth"])

_ASKED = "If the address belongs to an account, a mail is on its way to it."
_MAILS = limited(limits.RECOVER, overall=limits.RECOVER_EVERYBODY)
_LINKS = limited(limits.LINK, overall=limits.LINKS_EVERYBODY)


@router.post(
    "/verify-email/resend",
    status_code=202,
    operation_id="resend_verification",
    summary="Ask for another verification link",
    dependencies=[_MAILS, Idempotent],
)
async def resend_verification(body: AddressOnly) -> Message:
    """Mail the link again. The answer and its cost are the same for every address."""
    may_mail = await limits.may_mail(body.email)

    def work(session: Db) -> Message:
        if may_mail:
            recovery.ask_for_verification(session, body.email)
        return Message(message=_ASKED)

    return await answer_in_transaction(work)


@router.post(
    "/password/forgot",
    status_code=202,
    operation_id="forgot_password",
    summary="Ask for a link that sets a new password",
    dependencies=[_MAILS, Idempotent],
)
async def forgot_password(body: AddressOnly) -> Message:
    """Mail a link that works once. The answer and its cost are the same for every address."""
    may_mail = await limits.may_mail_recovery(body.email)

    def work(session: Db) -> Message:
        if may_mail:
            recovery.ask_for_reset(session, body.email)
        return Message(message=_ASKED)

    return await answer_in_transaction(work)


@router.post(
    "/password/reset",
    operation_id="reset_password",
    summary="Set a new password with a mailed link",
    dependencies=[_LINKS],
    responses=problems(InvalidLink, TooManyRequests, Unavailable),
)
async def reset_password(body: PasswordReset) -> Message:
    """Spend the token of the link. All sessions of the account end: sign in with the new password."""
    await recovery.reset_password(body.token, body.password)
    return Message(message="The password is set. You can sign in with it now.")


@router.put(
    "/password",
    status_code=204,
    operation_id="change_password",
    summary="Change your password",
    responses=problems(sign_in.InvalidCredentials, *reauthentication.LIMITED),
)
async def change_password(body: PasswordChange, user: LiveUser) -> None:
    """Replace your password, which you give once more. Your other sessions end."""
    await reauthentication.change_password(user, body.current_password, body.password)


@router.post(
    "/email",
    status_code=202,
    operation_id="change_email",
    summary="Ask for another address",
    dependencies=[_MAILS, Idempotent],
)
async def change_email(body: AddressOnly, user: RecentUser) -> Message:
    """Mail a link to the new address: it becomes yours when the link is opened.

    The old address is told then, and can undo it for 7 days. Whether the new one belongs to somebody already
    is not told.
    """
    may_mail = await limits.may_mail(body.email)

    def work(session: Db) -> Message:
        if may_mail:
            email_change.ask_for_change(session, user, body.email)
        return Message(message="If the address can be yours, a mail is on its way to it.")

    return await answer_in_transaction(work)


@router.post(
    "/email/confirm",
    operation_id="confirm_email",
    summary="Confirm another address",
    dependencies=[_LINKS],
    responses=problems(InvalidLink),
)
def confirm_email(body: LinkToken, db: Db) -> Message:
    """Spend the token that was mailed to the new address."""
    email_change.confirm(db, body.token)
    return Message(message="The address is changed.")


@router.post(
    "/email/undo",
    operation_id="undo_email",
    summary="Undo a change of address",
    dependencies=[_LINKS],
    responses=problems(InvalidLink, email_change.AddressTaken),
)
def undo_email(body: LinkToken, db: Db) -> Message:
    """Spend the token that was mailed to the old address.

    The old address is back, all sessions and API keys have ended, and a link for a new password is on its
    way to it.
    """
    email_change.undo(db, body.token)
    return Message(message="The address is back. Set a new password with the link that is on its way to it.")
