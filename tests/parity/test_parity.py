"""Every operation's success and one refusal, over each transport: what differs is a bug."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import httpx
import pytest

from common.functions import FUNCTIONS
from tests.support.world import PASSWORD, World

type Call = Callable[[httpx.Client, World], httpx.Response]

PROBLEM_MEMBERS: Final = {"type", "title", "status", "detail", "instance", "code", "request_id"}


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


def _read_me(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/me", headers=world.person().headers)


def _read_me_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.get("/v1/users/me", headers={"Authorization": "Bearer no.such.token"})


def _change_me(api: httpx.Client, world: World) -> httpx.Response:
    headers = world.person().headers | {"If-Match": '"1"'}
    return api.patch("/v1/users/me", json={"name": "Ada Lovelace ✓"}, headers=headers)


def _change_me_blindly(api: httpx.Client, world: World) -> httpx.Response:
    return api.patch("/v1/users/me", json={"name": "Ada"}, headers=world.person().headers)


def _delete_me(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete("/v1/users/me", headers=world.person().headers)


def _delete_me_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.delete("/v1/users/me")


def _get(path: str) -> Call:
    return lambda api, _: api.get(path)


def _post(path: str) -> Call:
    return lambda api, _: api.post(path)


# operation: (success, its status, refusal, its status, its code)
OPERATIONS: Final[dict[str, tuple[Call, int, Call, int, str]]] = {
    "register": (_register, 202, _register_badly, 422, "invalid_input"),
    "verify_email": (_verify, 200, _verify_nothing, 400, "invalid_link"),
    "login": (_login, 200, _login_wrongly, 401, "invalid_credentials"),
    "refresh": (_refresh, 200, _refresh_nothing, 401, "invalid_refresh_token"),
    "token": (_token, 200, _token_of_no_grant, 400, "unsupported_grant_type"),
    "logout": (_logout, 204, _logout_as_nobody, 401, "unauthenticated"),
    "jwks": (_jwks, 200, _jwks_by_post, 405, "method_not_allowed"),
    "read_me": (_read_me, 200, _read_me_as_nobody, 401, "invalid_token"),
    "change_me": (_change_me, 200, _change_me_blindly, 428, "precondition_required"),
    "delete_me": (_delete_me, 204, _delete_me_as_nobody, 401, "unauthenticated"),
    "live": (_get("/v1/health/live"), 200, _post("/v1/health/live"), 405, "method_not_allowed"),
    # Nothing else runs beside the tests, so its success is in tests/functions/health with everything up.
    "ready": (_post("/v1/health/ready"), 405, _get("/v1/health/ready"), 503, "unavailable"),
} | {
    operation: (
        _get(f"/v1/{function}/{path}"),
        200,
        _post(f"/v1/{function}/{path}"),
        405,
        "method_not_allowed",
    )
    for function in FUNCTIONS
    for operation, path in ((f"{function}_livez", "livez"), (f"{function}_readyz", "readyz"))
}


def _documented() -> set[str]:
    documents: list[dict[str, Any]] = [
        import_module(f"functions.{name}.app").app.openapi() for name in FUNCTIONS
    ]
    return {
        operation["operationId"]
        for document in documents
        for path in document["paths"].values()
        for operation in path.values()
    }


def test_the_suite_covers_every_documented_operation() -> None:
    assert set(OPERATIONS) == _documented()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_success_is_the_same_over_every_transport(
    operation: str, everywhere: httpx.Client, world: World
) -> None:
    call, status, *_ = OPERATIONS[operation]
    response = call(everywhere, world)
    assert response.status_code == status, response.text
    _check_headers(response)
    if response.content and status < 400:
        assert response.headers["content-type"] == "application/json"
        response.json()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refusal_is_the_same_over_every_transport(
    operation: str, everywhere: httpx.Client, world: World
) -> None:
    *_, call, status, code = OPERATIONS[operation]
    response = call(everywhere, world)
    assert response.status_code == status, response.text
    _check_headers(response)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body.keys() >= PROBLEM_MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["instance"] == response.request.url.path


def _check_headers(response: httpx.Response) -> None:
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"]
