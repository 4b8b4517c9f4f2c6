from typing import Annotated

from fastapi import Path

from common.access import Principal, requires
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import NotFound, PreconditionFailed, PreconditionRequired, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.users import roles
from functions.users.roles import BuiltInRole, RoleExists, RoleInUse
from functions.users.schemas.roles import RoleChange, RoleCreate, RoleName, RoleRead

router = Router(prefix="/v1/users/roles", tags=["users"])

_READERS = requires("users:read", live=True)
Writer = Annotated[Principal, requires("roles:write", recent=True)]
Name = Annotated[RoleName, Path()]


@router.get(
    "",
    operation_id="list_roles",
    summary="List roles",
    dependencies=[_READERS],
    responses=problems(BrokenCursor),
)
def list_roles(page: PageQuery, db: Reading) -> Page[RoleRead]:
    """All roles by name, those that are built in among them."""
    return roles.list_roles(db, page)


@router.post(
    "",
    status_code=201,
    operation_id="create_role",
    summary="Make a role",
    dependencies=[Idempotent],
    responses=problems(RoleExists),
)
def create_role(body: RoleCreate, actor: Writer, db: Db) -> RoleRead:
    """Make a role of permissions that you have yourself."""
    return roles.create_role(db, actor, body)


@router.get(
    "/{name}",
    operation_id="read_role",
    summary="Read a role",
    dependencies=[_READERS],
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound),
)
def read_role(name: Name, db: Reading) -> RoleRead:
    """A role; with its ETag where it can be changed."""
    return roles.read_role(db, name)


@router.patch(
    "/{name}",
    operation_id="change_role",
    summary="Change a role",
    responses=problems(NotFound, PreconditionFailed, PreconditionRequired, BuiltInRole),
)
def change_role(name: Name, body: RoleChange, actor: Writer, db: Db, if_match: IfMatch = None) -> RoleRead:
    """Change a role for all who have it; you need the permissions that it has, and those that you give it."""
    return roles.change_role(db, actor, name, body, if_match)


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="delete_role",
    summary="Delete a role",
    responses=problems(NotFound, BuiltInRole, RoleInUse),
)
def delete_role(name: Name, actor: Writer, db: Db) -> None:
    """Delete a role that nobody has."""
    roles.delete_role(db, actor, name)
