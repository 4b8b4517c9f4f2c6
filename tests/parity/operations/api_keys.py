from typing import Any, Final

import httpx

from common.ids import new_id
from tests.parity.operations.calls import Operation
from tests.support.api_keys import KEYS, mint
from tests.support.world import World

WANTED: Final[dict[str, Any]] = {
    "name": "Backup ✓",
    "scopes": ["profile:read"],
    "networks": ["2001:db8::/32"],
}


def _create(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers | {"Idempotency-Key": str(new_id())}
    return api.post(KEYS, json=WANTED, headers=headers)


def _create_too_wide(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(KEYS, json=WANTED | {"scopes": ["users:write"]}, headers=world.person().headers)


def _list(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    mint(world, person.id)
    return api.get(KEYS, params={"limit": 1}, headers=person.headers)


def _list_with_a_key(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(KEYS, headers=mint(world, world.account().id).headers)


def _read(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.get(f"{KEYS}/{mint(world, person.id).id}", headers=person.headers)


def _read_a_foreign_one(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"{KEYS}/{mint(world, world.account().id).id}", headers=world.person().headers)


def _change(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    headers = person.headers | {"If-Match": '"1"'}
    return api.patch(f"{KEYS}/{mint(world, person.id).id}", json={"expires_at": None}, headers=headers)


def _change_another_version(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    headers = person.headers | {"If-Match": '"2"'}
    return api.patch(f"{KEYS}/{mint(world, person.id).id}", json={"name": "Other"}, headers=headers)


def _delete(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.delete(f"{KEYS}/{mint(world, person.id).id}", headers=person.headers)


def _delete_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(f"{KEYS}/{new_id()}", headers=world.person().headers)


def _rotate(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    path = f"{KEYS}/{mint(world, person.id).id}/rotate"
    return api.post(path, json={"overlap_seconds": 60}, headers=person.headers)


def _rotate_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(f"{KEYS}/{new_id()}/rotate", headers=world.person().headers)


OPERATIONS: Final[dict[str, Operation]] = {
    "create_api_key": (_create, 201, _create_too_wide, 403, "scopes_too_wide"),
    "list_api_keys": (_list, 200, _list_with_a_key, 403, "session_required"),
    "read_api_key": (_read, 200, _read_a_foreign_one, 404, "not_found"),
    "change_api_key": (_change, 200, _change_another_version, 412, "precondition_failed"),
    "delete_api_key": (_delete, 204, _delete_nothing, 404, "not_found"),
    "rotate_api_key": (_rotate, 200, _rotate_nothing, 404, "not_found"),
}
