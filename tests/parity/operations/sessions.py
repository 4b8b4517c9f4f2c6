from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import PASSWORD, World

NOBODYS = "01890a5d-ac96-774b-bcce-b302099a8057"


def _list(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/auth/sessions", headers=world.person().headers)


def _list_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.get("/v1/auth/sessions")


def _end(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers
    [session] = api.get("/v1/auth/sessions", headers=headers).json()["items"]
    return api.delete(f"/v1/auth/sessions/{session['id']}", headers=headers)


def _end_nobodys(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(f"/v1/auth/sessions/{NOBODYS}", headers=world.person().headers)


def _confirm(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers
    return api.post("/v1/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)


def _confirm_wrongly(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers
    return api.post("/v1/auth/reauthenticate", json={"password": "wrong"}, headers=headers)


OPERATIONS: Final[dict[str, Operation]] = {
    "list_sessions": (_list, 200, _list_as_nobody, 401, "unauthenticated"),
    "end_session": (_end, 204, _end_nobodys, 404, "not_found"),
    "reauthenticate": (_confirm, 204, _confirm_wrongly, 401, "invalid_credentials"),
}
