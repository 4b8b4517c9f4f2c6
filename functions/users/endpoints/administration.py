from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from common.access import Principal, requires
from common.accounts import LastAdministrator
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import InvalidInput, NotFound, PreconditionFailed, PreconditionRequired, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from common.schemas import Message
from functions.users import administration
from functions.users.administration import OwnAccount, WrongState
from functions.users.powers import UnknownRole
from functions.users.schemas.administration import AccountChange, AccountQuery, AccountRead, AccountRoles

router = Router(prefix="/v1/users", tags=["users"])

_READERS = requires("users:read", live=True)
UserId = Annotated[UUID, Path(description="The id of an account.")]
Writer = Annotated[Principal, requires("users:write", live=True)]
RecentWriter = Annotated[Principal, requires("users:write", recent=True)]


@router.get(
    "",
    operation_id="list_users",
    summary="List accounts",
    dependencies=[_READERS],
    responses=problems(BrokenCursor),
)
def list_users(query: Annotated[AccountQuery, Query()], page: PageQuery, db: Reading) -> Page[AccountRead]:
    """All accounts, or those that every filter fits; the newest first unless `sort` says otherwise."""
    return administration.list_accounts(db, query, page)


@router.get(
    "/{user_id:uuid}",
    operation_id="read_user",
    summary="Read an account",
    dependencies=[_READERS],
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound),
)
def read_user(user_id: UserId, db: Reading) -> AccountRead:
    """An account, with its ETag."""
    return administration.read_account(db, user_id)


@router.patch(
    "/{user_id:uuid}",
    operation_id="change_user",
    summary="Change, disable or enable an account",
    responses=problems(
        NotFound, PreconditionFailed, PreconditionRequired, OwnAccount, WrongState, LastAdministrator
    ),
)
def change_user(
    user_id: UserId, body: AccountChange, actor: Writer, db: Db, if_match: IfMatch = None
) -> AccountRead:
    """Change what you name in the body.

    Disabling needs a reason and ends all sessions of the account; its API keys stop within seconds. You need
    every permission that the account has.
    """
    return administration.change_account(db, actor, user_id, body, if_match)


@router.put(
    "/{user_id:uuid}/roles",
    operation_id="set_user_roles",
    summary="Set the roles of an account",
    responses=problems(
        NotFound, PreconditionFailed, InvalidInput, UnknownRole, WrongState, LastAdministrator
    ),
)
def set_user_roles(
    user_id: UserId, body: AccountRoles, actor: RecentWriter, db: Db, if_match: IfMatch = None
) -> AccountRead:
    """Replace all roles of an account; with `If-Match`, only those of the version that you read.

    You need every permission that the account has, and every one that the roles give.
    """
    return administration.set_roles(db, actor, user_id, body.roles, if_match)


@router.post(
    "/{user_id:uuid}/sign-out",
    status_code=204,
    operation_id="sign_out_user",
    summary="Sign an account out",
    responses=problems(NotFound),
)
def sign_out_user(user_id: UserId, actor: Writer, db: Db) -> None:
    """End all sessions of an account. You need every permission that it has."""
    administration.sign_out(db, actor, user_id)


@router.post(
    "/{user_id:uuid}/password-reset",
    status_code=202,
    operation_id="reset_user_password",
    summary="Have an account set a new password",
    dependencies=[Idempotent],
    responses=problems(NotFound, WrongState),
)
def reset_user_password(user_id: UserId, actor: Writer, db: Db) -> Message:
    """End all sessions of an account and mail its owner a link; until it is used, nobody can sign in.

    You need every permission that the account has.
    """
    administration.require_new_password(db, actor, user_id)
    return Message(message="A link for a new password is on its way to the owner of the account.")
