"""Administrative calls, and the roles that their tests need."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from common.api_keys import key_digest, new_key
from common.ids import new_id
from tests.support.world import Person, World


def role(world: World, *permissions: str) -> str:
    """The name of a new role that permits these."""
    name = f"r{uuid4().hex[:16]}"
    world.run(
        "insert into roles (name, permissions) values (:name, :permissions)",
        name=name,
        permissions=list(permissions),
    )
    return name


def with_permissions(world: World, *permissions: str) -> Person:
    """A signed-in person who may do these and nothing else."""
    return world.person(roles=[role(world, *permissions)])


def api_key(world: World, owner: Person, *scopes: str) -> Person:
    """A program that acts for `owner` with a key of these scopes."""
    key_id = new_id()
    key = new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes) values (:id, :owner, '', :digest, :scopes)",
        id=key_id,
        owner=owner.id,
        digest=key_digest(key),
        scopes=list(scopes),
    )
    return Person(owner.id, owner.email, key, "")


def patch(
    api: httpx.Client, actor: Person, user_id: UUID, *, if_match: str = "*", **change: Any
) -> httpx.Response:
    return api.patch(f"/v1/users/{user_id}", json=change, headers=actor.headers | {"If-Match": if_match})


def disable(api: httpx.Client, actor: Person, user_id: UUID) -> httpx.Response:
    return patch(api, actor, user_id, state="disabled", disabled_reason="Left us.")


def put_roles(api: httpx.Client, actor: Person, user_id: UUID, *roles: str, **headers: str) -> httpx.Response:
    return api.put(f"/v1/users/{user_id}/roles", json={"roles": list(roles)}, headers=actor.headers | headers)


def state_of(world: World, user_id: UUID) -> str:
    return str(world.scalar("select state from users where id = :id", id=user_id))


def roles_of(world: World, user_id: UUID) -> list[str]:
    return list(world.scalar("select roles from users where id = :id", id=user_id))


def entry(world: World, user_id: UUID, action: str) -> Any:
    """The newest entry of the audit log with this action on this account."""
    return world.rows(
        "select * from audit_log where subject_id = :id and action = :action order by id desc limit 1",
        id=user_id,
        action=action,
    )[0]
