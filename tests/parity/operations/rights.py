from datetime import timedelta
from functools import partial
from typing import Final
from uuid import uuid4

import httpx

from common.database import get_database
from common.one_time_tokens import issue
from tests.parity.operations.calls import Operation
from tests.support.world import World


def _delete_me(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete("/v1/users/me", headers=world.person().headers)


def _delete_me_as_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.delete("/v1/users/me")


def _delete_user(api: httpx.Client, world: World) -> httpx.Response:
    administrator = world.person(roles=["admin"])
    return api.delete(f"/v1/users/{world.account().id}", headers=administrator.headers)


def _delete_nobody(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(f"/v1/users/{uuid4()}", headers=world.person(roles=["admin"]).headers)


def _undo_deletion(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    api.delete("/v1/users/me", headers=person.headers)
    return api.post("/v1/users/undo-deletion", json={"token": world.mails(person.email)[0].token})


def _undo_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/users/undo-deletion", json={"token": "unknown"})


def _export_me(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/users/me/export", headers=world.person().headers)


def _export_nobody(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/users/me/export")


def _read_export(api: httpx.Client, world: World) -> httpx.Response:
    person = world.person()
    api.post("/v1/users/me/export", headers=person.headers)
    return api.get("/v1/users/me/export", headers=person.headers)


def _read_no_export(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/me/export", headers=world.person().headers)


def _download_export(api: httpx.Client, world: World) -> httpx.Response:
    user_id = world.account().id
    world.run(
        "insert into exports (id, user_id, state, object_key, ready_at, expires_at)"
        " values (:export, :id, 'ready', 'exports/an-archive', now(), now() + interval '1 day')",
        export=uuid4(),
        id=user_id,
    )
    lifetime = timedelta(days=1)
    token = get_database("users").transaction(
        partial(issue, user_id=user_id, purpose="download_export", lifetime=lifetime)
    )
    return api.get("/v1/users/exports/download", params={"token": token})


def _download_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.get("/v1/users/exports/download", params={"token": "unknown"})


OPERATIONS: Final[dict[str, Operation]] = {
    "delete_me": (_delete_me, 202, _delete_me_as_nobody, 401, "unauthenticated"),
    "delete_user": (_delete_user, 202, _delete_nobody, 404, "not_found"),
    "undo_deletion": (_undo_deletion, 200, _undo_nothing, 400, "invalid_link"),
    "export_me": (_export_me, 202, _export_nobody, 401, "unauthenticated"),
    "read_export": (_read_export, 200, _read_no_export, 404, "no_export"),
    "download_export": (_download_export, 303, _download_nothing, 400, "invalid_link"),
}
