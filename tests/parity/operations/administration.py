from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import World

NOBODY: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


def _admin(world: World) -> dict[str, str]:
    return world.person(roles=["admin"]).headers


def _list(api: httpx.Client, world: World) -> httpx.Response:
    query = {
        "q": "@lambkin",
        "role": "member",
        "sort": "-email",
        "created_after": "2026-01-01T00:00:00+02:00",
    }
    return api.get("/v1/users", params=query, headers=_admin(world))


def _list_as_a_member(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users", headers=world.person().headers)


def _read(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"/v1/users/{world.account().id}", headers=_admin(world))


def _read_nobody(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"/v1/users/{NOBODY}", headers=_admin(world))


def _disable(api: httpx.Client, world: World) -> httpx.Response:
    change = {"state": "disabled", "disabled_reason": "Left us ✓"}
    return api.patch(
        f"/v1/users/{world.account().id}", json=change, headers=_admin(world) | {"If-Match": '"1"'}
    )


def _change_blindly(api: httpx.Client, world: World) -> httpx.Response:
    return api.patch(f"/v1/users/{world.account().id}", json={"name": "Ada"}, headers=_admin(world))


def _set_roles(api: httpx.Client, world: World) -> httpx.Response:
    return api.put(f"/v1/users/{world.account().id}/roles", json={"roles": ["admin"]}, headers=_admin(world))


def _set_no_such_role(api: httpx.Client, world: World) -> httpx.Response:
    return api.put(f"/v1/users/{world.account().id}/roles", json={"roles": ["king"]}, headers=_admin(world))


def _sign_out(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(f"/v1/users/{world.account().id}/sign-out", headers=_admin(world))


def _sign_nobody_out(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(f"/v1/users/{NOBODY}/sign-out", headers=_admin(world))


def _reset(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(f"/v1/users/{world.account().id}/password-reset", headers=_admin(world))


def _reset_invited(api: httpx.Client, world: World) -> httpx.Response:
    user = world.account()
    world.run("update users set state = 'invited' where id = :id", id=user.id)
    return api.post(f"/v1/users/{user.id}/password-reset", headers=_admin(world))


OPERATIONS: Final[dict[str, Operation]] = {
    "list_users": (_list, 200, _list_as_a_member, 403, "insufficient_scope"),
    "read_user": (_read, 200, _read_nobody, 404, "not_found"),
    "change_user": (_disable, 200, _change_blindly, 428, "precondition_required"),
    "set_user_roles": (_set_roles, 200, _set_no_such_role, 422, "unknown_role"),
    "sign_out_user": (_sign_out, 204, _sign_nobody_out, 404, "not_found"),
    "reset_user_password": (_reset, 202, _reset_invited, 409, "wrong_state"),
}
