from common.access import CurrentUser, InvalidToken
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import (
    BadRequest,
    ContentTooLarge,
    InvalidInput,
    PreconditionFailed,
    PreconditionRequired,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    problems,
)
from common.routing import Router
from functions.users import service
from functions.users.schemas import UserChange, UserRead

router = Router(prefix="/v1/users", tags=["users"])

_SIGNED_IN = (Unauthenticated, InvalidToken, Unavailable)


@router.get(
    "/me",
    operation_id="read_me",
    summary="Read your profile",
    responses=problems(*_SIGNED_IN),
    openapi_extra=CONDITIONAL_GET,
)
def read_me(user: CurrentUser, db: Reading) -> UserRead:
    """Your own account, with its ETag."""
    return service.own_profile(db, user)


@router.patch(
    "/me",
    operation_id="change_me",
    summary="Change your profile",
    responses=problems(
        *_SIGNED_IN,
        BadRequest,
        ContentTooLarge,
        PreconditionFailed,
        UnsupportedMediaType,
        InvalidInput,
        PreconditionRequired,
    ),
)
def change_me(body: UserChange, user: CurrentUser, db: Db, if_match: IfMatch = None) -> UserRead:
    """Change what you name in the body. `If-Match` says which version you read, so that no change is lost."""
    return service.change_own_profile(db, user, body, if_match)


@router.delete(
    "/me",
    status_code=204,
    operation_id="delete_me",
    summary="Delete your account",
    responses=problems(*_SIGNED_IN),
)
def delete_me(user: CurrentUser, db: Db) -> None:
    """Delete your account with all its sessions. This cannot be undone."""
    service.delete_own_account(db, user)
