from common.database import Db, answer_in_transaction
from common.errors import problems
from common.idempotency import Idempotent
from common.one_time_tokens import InvalidLink
from common.rate_limits import limited
from common.routing import Router
from common.schemas import Message
from functions.auth import limits, registration
from functions.auth.passwords import get_passwords
from functions.auth.schemas.accounts import EmailVerification, Registration

router = Router(prefix="/v1/auth", tags=["auth"])

_REGISTERED = "If the address can be registered, a mail is on its way to it."


@router.post(
    "/register",
    status_code=202,
    operation_id="register",
    summary="Create an account",
    dependencies=[limited(limits.REGISTER, overall=limits.REGISTER_EVERYBODY), Idempotent],
)
async def register(body: Registration) -> Message:
    """Mail a link that verifies the address; its owner gets a notice where an account exists already.

    The answer is the same in both cases.
    """
    password_hash = await get_passwords().hash(body.password)
    may_mail = await limits.may_mail(body.email)

    def work(session: Db) -> Message:
        if may_mail:
            registration.ask_for_account(session, body.email, body.name, password_hash)
        return Message(message=_REGISTERED)

    return await answer_in_transaction(work)


@router.post(
    "/verify-email",
    operation_id="verify_email",
    summary="Verify an address",
    dependencies=[limited(limits.VERIFY, overall=limits.LINKS_EVERYBODY)],
    responses=problems(InvalidLink),
)
def verify_email(body: EmailVerification, db: Db) -> Message:
    """Spend the token of a mailed link: from now on the account can sign in."""
    registration.verify_email(db, body.token)
    return Message(message="The address is verified. You can sign in now.")
