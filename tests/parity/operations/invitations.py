from typing import Final
from uuid import uuid4

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import PASSWORD, World

CSV: Final = "email,name,roles\r\n{},Zoë ✓,member\r\n"


def _admin(world: World) -> dict[str, str]:
    return world.person(roles=["admin"]).headers


def _invite(api: httpx.Client, world: World) -> httpx.Response:
    body = {"email": world.address(), "name": "Zoë ✓"}
    return api.post("/v1/users", json=body, headers=_admin(world))


def _invite_somebody_there(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/users", json={"email": world.account().email}, headers=_admin(world))


def _resend(api: httpx.Client, world: World) -> httpx.Response:
    invited = _invite(api, world).json()["id"]
    return api.post(f"/v1/users/{invited}/invitation", headers=_admin(world))


def _resend_to_a_member(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(f"/v1/users/{world.account().id}/invitation", headers=_admin(world))


def _revoke(api: httpx.Client, world: World) -> httpx.Response:
    invited = _invite(api, world).json()["id"]
    return api.delete(f"/v1/users/{invited}/invitation", headers=_admin(world))


def _revoke_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.delete(f"/v1/users/{uuid4()}/invitation", headers=_admin(world))


def _accept(api: httpx.Client, world: World) -> httpx.Response:
    email = _invite(api, world).json()["email"]
    body = {"token": world.mails(email)[0].token, "password": PASSWORD}
    return api.post("/v1/auth/invitations/accept", json=body)


def _accept_nothing(api: httpx.Client, _: World) -> httpx.Response:
    return api.post("/v1/auth/invitations/accept", json={"token": "unknown", "password": PASSWORD})


def _invite_many(api: httpx.Client, world: World) -> httpx.Response:
    headers = _admin(world) | {"Content-Type": "text/csv"}
    content = CSV.format(world.address()).encode()
    return api.post("/v1/users/invitations", content=content, headers=headers)


def _invite_many_by_json(api: httpx.Client, world: World) -> httpx.Response:
    return api.post("/v1/users/invitations", json=[], headers=_admin(world))


def _list(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/invitations", headers=_admin(world))


def _list_as_a_member(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/users/invitations", headers=world.person().headers)


def _read(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(_invite_many(api, world).headers["location"], headers=_admin(world))


def _read_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"/v1/users/invitations/{uuid4()}", headers=_admin(world))


def _lines(api: httpx.Client, world: World) -> httpx.Response:
    place = _invite_many(api, world).headers["location"]
    return api.get(f"{place}/lines", headers=_admin(world))


def _lines_of_nothing(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(f"/v1/users/invitations/{uuid4()}/lines", headers=_admin(world))


OPERATIONS: Final[dict[str, Operation]] = {
    "invite_user": (_invite, 201, _invite_somebody_there, 409, "address_taken"),
    "resend_invitation": (_resend, 200, _resend_to_a_member, 409, "not_invited"),
    "revoke_invitation": (_revoke, 204, _revoke_nothing, 404, "not_found"),
    "accept_invitation": (_accept, 200, _accept_nothing, 400, "invalid_link"),
    "invite_users": (_invite_many, 202, _invite_many_by_json, 415, "unsupported_media_type"),
    "list_invitations": (_list, 200, _list_as_a_member, 403, "insufficient_scope"),
    "read_invitations": (_read, 200, _read_nothing, 404, "not_found"),
    "list_invitation_lines": (_lines, 200, _lines_of_nothing, 404, "not_found"),
}
