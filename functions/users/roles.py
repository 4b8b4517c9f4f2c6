"""The rules of roles that administrators make."""

from typing import Final

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.access import Principal
from common.conditional import require_match, set_etag
from common.database import AnyRow
from common.errors import Conflict, NotFound
from common.models import Role
from common.pagination import Page, PageParameters
from common.permissions import BUILT_IN
from functions.users import powers
from functions.users.repository import roles as stored
from functions.users.schemas.roles import RoleChange, RoleCreate, RoleRead

_NO_ROLE: Final = "There is no such role."


class RoleExists(Conflict):
    """The name is taken."""

    code = "role_exists"
    detail = "There is a role of this name already: choose another, or change that one."


class BuiltInRole(Conflict):
    """`admin` and `member` are part of the code."""

    code = "built_in_role"
    detail = "This role is built in and stays as it is: make one of your own."


class RoleInUse(Conflict):
    """Somebody has the role."""

    code = "role_in_use"
    detail = "Somebody has this role: GET /v1/users?role=… shows who; take it from them first."


def list_roles(connection: Connection, page: PageParameters) -> Page[RoleRead]:
    """A page of all roles, the built-in ones among them."""
    rows, next_cursor = stored.page_of_roles(connection, page)
    return Page(items=[_role(row, built_in=row.built_in) for row in rows], next_cursor=next_cursor)


def read_role(connection: Connection, name: str) -> RoleRead:
    """A role; with an ETag where it can be changed. Raises NotFound."""
    row = stored.find_role(connection, name)
    if row is None:
        raise NotFound(_NO_ROLE)
    if row.built_in:
        return _role(row, built_in=True)
    return _read(row)


def create_role(session: Session, actor: Principal, role: RoleCreate) -> RoleRead:
    """Make a role. Raises RoleExists; InsufficientScope where it permits what the actor may not."""
    action = "role.created"
    permissions = sorted(set(role.permissions))
    powers.require_powers(session, actor, permissions, action)
    if role.name in BUILT_IN:
        raise RoleExists
    created = stored.add_role(session, role.name, role.description, permissions)
    if created is None:
        raise RoleExists
    audit.record(session, action, subject_id=None, role=role.name, new=permissions)
    return _read(created)


def change_role(
    session: Session, actor: Principal, name: str, change: RoleChange, if_match: str | None
) -> RoleRead:
    """Change a role, for all who have it.

    Raises NotFound, BuiltInRole, PreconditionRequired, PreconditionFailed; InsufficientScope where it permits
    now, or would permit, what the actor may not.
    """
    action = "role.changed"
    role = _hold(session, actor, name, action)
    require_match(if_match, role.version)
    old = sorted(role.permissions)
    new = old if change.permissions is None else sorted(set(change.permissions))
    powers.require_powers(session, actor, new, action)
    wanted = {"permissions": new, "description": change.description}
    changes = {key: value for key, value in wanted.items() if value not in (None, getattr(role, key))}
    if not changes:
        return _read(role)
    audit.record(session, action, subject_id=None, role=name, fields=sorted(changes), old=old, new=new)
    return _read(stored.change_role(session, name, changes))


def delete_role(session: Session, actor: Principal, name: str) -> None:
    """Delete a role that nobody has. Raises NotFound, BuiltInRole, RoleInUse, InsufficientScope."""
    action = "role.deleted"
    role = _hold(session, actor, name, action)
    # Held: who gives it at this moment has done so by now, or finds it gone.
    if stored.is_given(session, name):
        raise RoleInUse
    audit.record(session, action, subject_id=None, role=name, old=sorted(role.permissions))
    stored.remove_role(session, name)


def _hold(session: Session, actor: Principal, name: str, action: str) -> Role:
    if name in BUILT_IN:
        raise BuiltInRole
    role = stored.hold_role(session, name)
    if role is None:
        raise NotFound(_NO_ROLE)
    powers.require_powers(session, actor, role.permissions, action)
    return role


def _read(role: Role | AnyRow) -> RoleRead:
    set_etag(role.version)
    return _role(role, built_in=False)


def _role(role: Role | AnyRow, *, built_in: bool) -> RoleRead:
    return RoleRead(
        name=role.name,
        description=role.description,
        permissions=sorted(role.permissions),
        built_in=built_in,
        created_at=role.created_at,
        updated_at=role.updated_at,
    )
