from typing import Final
from uuid import uuid4

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import World


def _admin(world: World) -> dict[str, str]:
    return world.person(roles=["admin"]).headers


def _make(api: httpx.Client, world: World, name: str = "") -> httpx.Response:
    role = {"name": name or f"r{uuid4().hex[:12]}", "permissions": ["users:read"], "description": "Reads ✓"}
    return api.post("/v1/users/roles", json=role, headers=_admin(world))


def _list(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/roles", headers=_admin(world))


def _list_as_a_member(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/roles", headers=world.person().headers)


def _make_another_admin(api: httpx.Client, world: World) -> httpx.Response:
    return _make(api, world, "admin")


def _read(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"/v1/users/roles/{_make(api, world).json()['name']}", headers=_admin(world))


def _read_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/roles/no-such-role", headers=_admin(world))


def _change(api: httpx.Client, world: World) -> httpx.Response:
    name = _make(api, world).json()["name"]
    headers = _admin(world) | {"If-Match": '"1"'}
    return api.patch(f"/v1/users/roles/{name}", json={"permissions": ["ai:use"]}, headers=headers)


def _change_a_built_in_one(api: httpx.Client, world: World) -> httpx.Response:
    headers = _admin(world) | {"If-Match": "*"}
    return api.patch("/v1/users/roles/member", json={"permissions": []}, headers=headers)


def _delete(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(f"/v1/users/roles/{_make(api, world).json()['name']}", headers=_admin(world))


def _delete_one_in_use(api: httpx.Client, world: World) -> httpx.Response:
    name = _make(api, world).json()["name"]
    world.account(roles=[name])
    return api.delete(f"/v1/users/roles/{name}", headers=_admin(world))


OPERATIONS: Final[dict[str, Operation]] = {
    "list_roles": (_list, 200, _list_as_a_member, 403, "insufficient_scope"),
    "create_role": (_make, 201, _make_another_admin, 409, "role_exists"),
    "read_role": (_read, 200, _read_nothing, 404, "not_found"),
    "change_role": (_change, 200, _change_a_built_in_one, 409, "built_in_role"),
    "delete_role": (_delete, 204, _delete_one_in_use, 409, "role_in_use"),
}
