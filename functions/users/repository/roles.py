"""The roles that administrators made: all statements about `roles`, and the only writes."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import (
    Connection,
    DateTime,
    Select,
    String,
    cast,
    delete,
    false,
    func,
    literal,
    null,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session, aliased

from common.database import AnyRow
from common.models import Role, User
from common.pagination import PageParameters, SortKey, paginate_rows
from common.permissions import BUILT_IN


def _built_in(name: str, permissions: Collection[str]) -> Select[*tuple[Any, ...]]:
    never = cast(null(), DateTime(timezone=True))
    return select(
        literal(name).label("name"),
        literal("").label("description"),
        cast(sorted(permissions), ARRAY(String)).label("permissions"),
        never.label("created_at"),
        never.label("updated_at"),
        literal(0).label("version"),
        true().label("built_in"),
    )


_OWN_MADE: Final = select(
    Role.name,
    Role.description,
    Role.permissions,
    Role.created_at,
    Role.updated_at,
    Role.version,
    false().label("built_in"),
)
_ROLES: Final = union_all(*(_built_in(*role) for role in BUILT_IN.items()), _OWN_MADE).subquery("any_role")
_BY_NAME: Final = SortKey(aliased(Role, _ROLES).name)


def page_of_roles(connection: Connection, page: PageParameters) -> tuple[list[AnyRow], str | None]:
    """A page of all roles, built in or not, by name, and the cursor of the next."""
    return paginate_rows(connection, select(_ROLES), [_BY_NAME], page, context="roles")


def find_role(connection: Connection, name: str) -> AnyRow | None:
    """A role, built in or not."""
    return connection.execute(select(_ROLES).where(_ROLES.c.name == name)).first()


def hold_role(session: Session, name: str) -> Role | None:
    """A role that is not built in, which nobody changes or gives until the transaction ends."""
    return session.scalar(select(Role).where(Role.name == name).with_for_update())


def keep_roles(session: Session, names: Collection[str]) -> dict[str, list[str]]:
    """What each of these own-made roles permits; they neither change nor go until the transaction ends.

    One that is being removed at this moment is waited for, and is not in the answer.
    """
    # In one order for everybody, so that two transactions do not wait for each other.
    statement = select(Role).where(Role.name.in_(sorted(names))).order_by(Role.name)
    found = session.scalars(statement.with_for_update(read=True))
    return {role.name: role.permissions for role in found}


def add_role(session: Session, name: str, description: str, permissions: Collection[str]) -> Role | None:
    """A new role, or None where the name is taken, also by a transaction of the same moment."""
    statement = insert(Role).values(name=name, description=description, permissions=sorted(permissions))
    return session.scalar(statement.on_conflict_do_nothing(index_elements=["name"]).returning(Role))


def change_role(session: Session, name: str, changes: Mapping[str, Any]) -> Role:
    """Set columns of a role that is held, and count its version up."""
    statement = update(Role).where(Role.name == name)
    statement = statement.values(**changes, version=Role.version + 1, updated_at=func.now())
    return session.scalars(statement.returning(Role), execution_options={"populate_existing": True}).one()


def is_given(session: Session, name: str) -> bool:
    """Whether somebody has the role. Nobody gets it meanwhile where it is held."""
    holder = select(User.id).where(User.roles.contains([name]), User.state != "deleted").limit(1)
    return session.scalar(holder) is not None


def remove_role(session: Session, name: str) -> None:
    """Delete a role."""
    session.execute(delete(Role).where(Role.name == name))
