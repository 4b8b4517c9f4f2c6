from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import World


def _read_me(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/me", headers=world.person().headers)


def _read_me_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.get("/v1/users/me", headers={"Authorization": "Bearer no.such.token"})


def _change_me(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers | {"If-Match": '"1"'}
    return api.patch("/v1/users/me", json={"name": "Ada Lovelace ✓"}, headers=headers)


def _change_me_blindly(api: httpx.Client, world: World) -> httpx.Response:
    return api.patch("/v1/users/me", json={"name": "Ada"}, headers=world.person().headers)


OPERATIONS: Final[dict[str, Operation]] = {
    "read_me": (_read_me, 200, _read_me_as_nobody, 401, "invalid_token"),
    "change_me": (_change_me, 200, _change_me_blindly, 428, "precondition_required"),
}
