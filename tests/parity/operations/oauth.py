from typing import Final

import httpx

from tests.parity.operations.calls import Operation, get, post
from tests.support.world import World


def _revoke(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/revoke", data={"token": world.person().refresh_token})


def _revoke_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/revoke", data={"token_type_hint": "access_token"})


def _introspect(api: httpx.Client, world: World) -> httpx.Response:
    form = {"token": world.person().access_token}
    return api.post("/v1/auth/introspect", data=form, headers=world.person(roles=["admin"]).headers)


def _introspect_without_permission(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    return api.post("/v1/auth/introspect", data={"token": person.access_token}, headers=person.headers)


_METADATA: Final = "/v1/auth/.well-known/oauth-authorization-server"

OPERATIONS: Final[dict[str, Operation]] = {
    "oauth_metadata": (get(_METADATA), 200, post(_METADATA), 405, "method_not_allowed"),
    "revoke_token": (_revoke, 200, _revoke_nothing, 400, "invalid_request"),
    "introspect_token": (_introspect, 200, _introspect_without_permission, 403, "insufficient_scope"),
}
