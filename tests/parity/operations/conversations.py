from collections.abc import Callable
from typing import Any, Final

import httpx

from common.ids import new_id
from tests.functions.ai.conversations.talking import PATH, Talk, begin
from tests.parity.operations.ai import with_ollama
from tests.parity.operations.calls import Call, Operation
from tests.support.ollama import MODEL
from tests.support.world import World


def _in(talk: Callable[[Talk, dict[str, Any]], httpx.Response], *, said: bool = False) -> Call:
    """In a conversation of somebody's, in which something was said."""

    def run(api: httpx.Client, world: World) -> httpx.Response:
        with with_ollama():
            begun = begin(api, world.person(), MODEL, title="The sky ✓")
            answer = begun.say("say 2 ✓") if said else {}
            return talk(begun, answer)

    return run


def _without(method: str, path: str, **more: Any) -> Call:
    """In a conversation that is not there."""

    def run(api: httpx.Client, world: World) -> httpx.Response:
        headers = world.person().headers | {"If-Match": "*"}
        return api.request(method, f"{PATH}/{new_id()}{path}", headers=headers, **more)

    return run


def _list(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(PATH, headers=world.person().headers)


def _list_on(api: httpx.Client, world: World) -> httpx.Response:
    return api.get(PATH, params={"cursor": "nonsense"}, headers=world.person().headers)


def _begin(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(PATH, json={"model": MODEL}, headers=world.person().headers)


def _begin_with_nobody(api: httpx.Client, world: World) -> httpx.Response:
    return api.post(PATH, json={"model": ""}, headers=world.person().headers)


def _get(path: str) -> Callable[[Talk, dict[str, Any]], httpx.Response]:
    return lambda talk, answer: talk.api.get(talk.path + path.format(**answer), headers=talk.headers)


def _post(path: str, **body: Any) -> Callable[[Talk, dict[str, Any]], httpx.Response]:
    return lambda talk, answer: talk.api.post(
        talk.path + path.format(**answer), json=body, headers=talk.headers
    )


_rename = _in(
    lambda talk, _: talk.api.patch(talk.path, json={"pinned": True}, headers=talk.headers | {"If-Match": "*"})
)
_delete = _in(lambda talk, _: talk.api.delete(talk.path, headers=talk.headers))
_export = _in(_get("/export"), said=True)
_NOBODY: Final = f"/messages/{new_id()}"

OPERATIONS: Final[dict[str, Operation]] = {
    "list_conversations": (_list, 200, _list_on, 400, "broken_cursor"),
    "create_conversation": (_begin, 201, _begin_with_nobody, 422, "invalid_input"),
    "read_conversation": (_in(_get("")), 200, _without("GET", ""), 404, "not_found"),
    "change_conversation": (_rename, 200, _without("PATCH", "", json={"pinned": True}), 404, "not_found"),
    "delete_conversation": (_delete, 204, _without("DELETE", ""), 404, "not_found"),
    "export_conversation": (
        _export,
        200,
        _without("GET", "/export"),
        404,
        "not_found",
    ),
    "list_messages": (_in(_get("/messages"), said=True), 200, _without("GET", "/messages"), 404, "not_found"),
    "create_message": (
        _in(_post("/messages", content="say 3 ✓", stream=False)),
        200,
        _without("POST", "/messages", json={"content": "say 3"}),
        404,
        "not_found",
    ),
    "read_message": (_in(_get("/messages/{id}"), said=True), 200, _without("GET", _NOBODY), 404, "not_found"),
    "regenerate_message": (
        _in(_post("/messages/{id}/regenerate", stream=False), said=True),
        200,
        _without("POST", f"{_NOBODY}/regenerate", json={}),
        404,
        "not_found",
    ),
    "stop_message": (
        _in(_post("/messages/{id}/stop"), said=True),
        200,
        _without("POST", f"{_NOBODY}/stop"),
        404,
        "not_found",
    ),
    "read_message_events": (
        # The last event was read: nothing more comes.
        _in(_get("/messages/{id}/events?last_event_id={id}:4"), said=True),
        204,
        _without("GET", f"{_NOBODY}/events"),
        404,
        "not_found",
    ),
}
