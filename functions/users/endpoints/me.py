from typing import Annotated

from common.access import Principal, requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import PreconditionFailed, PreconditionRequired, problems
from common.routing import Router
from functions.users import profiles
from functions.users.schemas.profiles import UserChange, UserRead

router = Router(prefix="/v1/users", tags=["users"])


Reader = Annotated[Principal, requires("profile:read")]
Writer = Annotated[Principal, requires("profile:write")]


@router.get(
    "/me",
    operation_id="read_me",
    summary="Read your profile",
    openapi_extra=CONDITIONAL_GET,
)
def read_me(user: Reader, db: Reading) -> UserRead:
    """Your own account, with its ETag."""
    return profiles.own_profile(db, user)


@router.patch(
    "/me",
    operation_id="change_me",
    summary="Change your profile",
    responses=problems(PreconditionFailed, PreconditionRequired),
)
def change_me(body: UserChange, user: Writer, db: Db, if_match: IfMatch = None) -> UserRead:
    """Change what you name in the body. `If-Match` says which version you read, so that no change is lost."""
    return profiles.change_own_profile(db, user, body, if_match)
