from typing import Any, Final
from uuid import uuid4

import httpx

from tests.parity.operations.ai import with_ollama
from tests.parity.operations.calls import Call, Operation
from tests.support.ollama import MODEL
from tests.support.world import World

_QUOTAS: Final = "/v1/ai/quotas"
_PULLS: Final = "/v1/ai/pulls"
_MODELS: Final = "/v1/ai/admin/models"
_NOBODYS: Final = "01890a5d-ac96-774b-bcce-b302099a8057"


def _admin(world: World) -> dict[str, str]:
    return world.person(roles=["admin"]).headers


def _there(call: Call) -> Call:
    def run(api: httpx.Client, world: World) -> httpx.Response:
        with with_ollama():
            return call(api, world)

    return run


def _by_admin(method: str, path: str, **arguments: Any) -> Call:
    return lambda api, world: api.request(method, path, headers=_admin(world), **arguments)


def _by_member(method: str, path: str, **arguments: Any) -> Call:
    return lambda api, world: api.request(method, path, headers=world.person().headers, **arguments)


def _make_quota(api: httpx.Client, world: World, **more: str) -> httpx.Response:
    quota = {"period": "day", "tokens": 1000, "model": f"m{uuid4().hex[:8]}"} | more
    return api.post(_QUOTAS, json=quota, headers=_admin(world))


def _of_nobody(api: httpx.Client, world: World) -> httpx.Response:
    return _make_quota(api, world, user_id=_NOBODYS)


def _on_quota(method: str, **arguments: Any) -> Call:
    def run(api: httpx.Client, world: World) -> httpx.Response:
        path = f"{_QUOTAS}/{_make_quota(api, world).json()['id']}"
        return api.request(method, path, headers=_admin(world) | {"If-Match": '"1"'}, **arguments)

    return run


def _make_pull(api: httpx.Client, world: World, model: str = "") -> httpx.Response:
    wanted = {"model": model or f"m{uuid4().hex[:8]}"}
    return api.post(_PULLS, json=wanted, headers=_admin(world))


def _make_pull_twice(api: httpx.Client, world: World) -> httpx.Response:
    model = f"m{uuid4().hex[:8]}"
    _make_pull(api, world, model)
    return _make_pull(api, world, model)


def _on_pull(method: str, more: str = "", state: str = "") -> Call:
    def run(api: httpx.Client, world: World) -> httpx.Response:
        pull = _make_pull(api, world).json()["id"]
        if state:
            world.run(
                "update model_pulls set state = :state, finished_at = now() where id = cast(:id as uuid)",
                state=state,
                id=pull,
            )
        return api.request(method, f"{_PULLS}/{pull}{more}", headers=_admin(world))

    return run


def _change_model(version: str) -> Call:
    def run(api: httpx.Client, world: World) -> httpx.Response:
        path = f"{_MODELS}/ada/m{uuid4().hex[:8]}:1b"
        headers = _admin(world) | {"If-Match": version}
        return api.patch(path, json={"roles": ["admin"], "num_ctx": 4096}, headers=headers)

    return run


_preload = _there(_by_admin("POST", "/v1/ai/preloads", json={"model": MODEL}))
_preload_nobody = _there(_by_admin("POST", "/v1/ai/preloads", json={"model": "nobody"}))
_list = _there(_by_admin("GET", _MODELS))
_delete = _there(_by_admin("DELETE", f"{_MODELS}/{MODEL}"))
_delete_nobody = _there(_by_admin("DELETE", f"{_MODELS}/no/body"))
_no_quota: Final = (404, "not_found")

OPERATIONS: Final[dict[str, Operation]] = {
    "read_ai_usage": (
        _by_member("GET", "/v1/ai/usage?by=model&from=2026-01-01&to=2026-01-31"),
        200,
        _by_member("GET", "/v1/ai/usage?everybody=true"),
        403,
        "insufficient_scope",
    ),
    "list_quotas": (_by_admin("GET", _QUOTAS), 200, _by_member("GET", _QUOTAS), 403, "insufficient_scope"),
    "create_quota": (_make_quota, 201, _of_nobody, 422, "unknown_subject"),
    "read_quota": (_on_quota("GET"), 200, _by_admin("GET", f"{_QUOTAS}/{_NOBODYS}"), *_no_quota),
    "change_quota": (
        _on_quota("PATCH", json={"requests": 7}),
        200,
        _by_admin("PATCH", f"{_QUOTAS}/{_NOBODYS}", json={"requests": 7}),
        *_no_quota,
    ),
    "delete_quota": (_on_quota("DELETE"), 204, _by_admin("DELETE", f"{_QUOTAS}/{_NOBODYS}"), *_no_quota),
    "list_managed_models": (_list, 200, _by_admin("GET", _MODELS), 503, "model_server_unavailable"),
    "read_model_settings": (
        _by_admin("GET", f"{_MODELS}/ada/poet:3b"),
        200,
        _by_member("GET", f"{_MODELS}/ada/poet:3b"),
        403,
        "insufficient_scope",
    ),
    "change_model_settings": (_change_model('"0"'), 200, _change_model('"7"'), 412, "precondition_failed"),
    "delete_model": (_delete, 204, _delete_nobody, 404, "model_not_found"),
    "preload_model": (_preload, 204, _preload_nobody, 404, "model_not_found"),
    "list_pulls": (_by_admin("GET", _PULLS), 200, _by_member("GET", _PULLS), 403, "insufficient_scope"),
    "create_pull": (_make_pull, 201, _make_pull_twice, 409, "pull_exists"),
    "read_pull": (_on_pull("GET"), 200, _by_admin("GET", f"{_PULLS}/{_NOBODYS}"), *_no_quota),
    "watch_pull": (
        _on_pull("GET", "/events", "done"),
        200,
        _by_admin("GET", f"{_PULLS}/{_NOBODYS}/events"),
        *_no_quota,
    ),
    "cancel_pull": (_on_pull("DELETE"), 204, _on_pull("DELETE", state="done"), 409, "pull_ended"),
}
