from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import PASSWORD, World


def _register(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/register", json={"email": world.address(), "password": PASSWORD})


def _register_badly(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/register", json={"email": "nobody", "password": "short"})


def _verify(api: httpx.Client, world: World) -> httpx.Response:
    email = world.address()
    api.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    return api.post("/v1/auth/verify-email", json={"token": world.mails(email)[0].token})


def _verify_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/verify-email", json={"token": "unknown"})


def _login(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": world.account().email, "password": PASSWORD})


def _login_wrongly(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": world.account().email, "password": "wrong password"})


def _refresh(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/refresh", json={"refresh_token": world.person().refresh_token})


def _refresh_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/refresh", json={"refresh_token": "lr_unknown"})


def _token(api: httpx.Client, world: World) -> httpx.Response:
    form = {"grant_type": "password", "username": world.account().email, "password": PASSWORD}
    return api.post("/v1/auth/token", data=form)


def _token_of_no_grant(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/token", data={"grant_type": "client_credentials"})


def _logout(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/auth/logout", headers=world.person().headers)


def _logout_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/logout")


def _jwks(api: httpx.Client, world: World) -> httpx.Response:
    world.person()
    return api.get("/v1/auth/.well-known/jwks.json")


def _jwks_by_post(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/.well-known/jwks.json")


OPERATIONS: Final[dict[str, Operation]] = {
    "register": (_register, 202, _register_badly, 422, "invalid_input"),
    "verify_email": (_verify, 200, _verify_nothing, 400, "invalid_link"),
    "login": (_login, 200, _login_wrongly, 401, "invalid_credentials"),
    "refresh": (_refresh, 200, _refresh_nothing, 401, "invalid_refresh_token"),
    "token": (_token, 200, _token_of_no_grant, 400, "unsupported_grant_type"),
    "logout": (_logout, 204, _logout_as_nobody, 401, "unauthenticated"),
    "jwks": (_jwks, 200, _jwks_by_post, 405, "method_not_allowed"),
}
