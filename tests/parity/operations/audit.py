from typing import Final

import httpx

from tests.parity.operations.calls import Operation
from tests.support.world import World

LIST: Final = "/v1/users/audit"
EXPORT: Final = "/v1/users/audit/export"


def _list(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(LIST, params={"limit": 2}, headers=world.person(roles=["admin"]).headers)


def _list_as_member(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(LIST, headers=world.person().headers)


def _export(api: httpx.Client, world: World) -> httpx.Response:
    world.person()  # a sign-in is an entry, so that there are two
    answer = api.get(EXPORT, params={"limit": 1}, headers=world.person(roles=["admin"]).headers)
    assert answer.links["next"]["url"].endswith(answer.headers["next-cursor"])
    return answer


def _export_with_a_broken_cursor(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(EXPORT, params={"cursor": "AAAA"}, headers=world.person(roles=["admin"]).headers)


OPERATIONS: Final[dict[str, Operation]] = {
    "list_audit": (_list, 200, _list_as_member, 403, "insufficient_scope"),
    "export_audit": (_export, 200, _export_with_a_broken_cursor, 400, "broken_cursor"),
}
