"""Loaded by Schemathesis into its process: it signs requests in, and judges what only this project knows."""

import json
import os
import re
import threading
import time
from functools import cache
from typing import Any, Final

import httpx
import schemathesis
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response
from schemathesis.core.failures import Failure

from tests.fuzz.callers import WHO, WHO_VARIABLE, Caller
from tests.support.world import World

PROBLEM: Final = "application/problem+json"

_SAFE: Final = {"GET", "HEAD", "OPTIONS", "TRACE"}
# They say that a request itself is wrong; every other code speaks of what the server knows and no schema
# tells: a link was never sent, a key was used before, another version is there.
_ABOUT_THE_REQUEST: Final = {"bad_request", "content_too_large", "unsupported_media_type", "invalid_input"}
# Pydantic's name for a rule of ours that JSON Schema has no words for.
_BEYOND_SCHEMAS: Final = "value_error"
# Where errors are told as OpenAI's clients know them, only the sentence tells such a rule.
_SENTENCES: Final = re.compile(
    r": must (not contain|be (one line|a data URL|a JSON object|in base64|what it says))"
    r"|a message of `\w+`.* (must|may) |at most .* fit in|two `tools`|`tool_choice` |`json_schema` must"
)
# Refusals that an operation comes to once it knows who is asking.
_BEHIND_THE_TOKEN: Final = {403, 404, 409, 412, 428}
# A cookie's value (RFC 6265, section 4.1.1); any other is cut short or changed on its way.
_COOKIE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
# Some operations want a recent sign-in, and a token ends: nobody stays longer.
_STAY_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 60.0

_who = WHO[os.environ[WHO_VARIABLE]]


class _Here(threading.local):
    """Who calls from this thread, and since when."""

    caller: Caller | None = None
    since = 0.0


_here = _Here()


@cache
def _world() -> World:
    return World(os.environ["DATABASE_URL"])


@cache
def _api() -> httpx.Client:
    return httpx.Client(base_url=os.environ["INTERNAL_URL"], timeout=_PATIENCE_SECONDS)


@schemathesis.auth(refresh_interval=None)
class SignIn:
    """Gives every request a caller who is still there."""

    def get(self, _: Case[Any], __: AuthContext) -> Caller | None:
        if _here.caller is None or time.monotonic() - _here.since > _STAY_SECONDS:
            _here.caller, _here.since = _who.mint(_world()), time.monotonic()
        return _here.caller

    def set(self, case: Case[Any], data: Caller, _: AuthContext) -> None:
        case.headers.update(data.headers)


@schemathesis.hook
def after_call(_: HookContext, case: Case[Any], response: Response) -> None:
    """Let a caller go who signed out, was deleted or has other rights by now, whichever operation did it."""
    changed = case.method.upper() not in _SAFE and response.status_code < 300
    caller = _here.caller
    if caller and (response.status_code == 401 or (changed and not caller.is_still_there(_api()))):
        _here.caller = None


@schemathesis.hook
def filter_failure(_: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Keep a failure, unless what was sent or what was answered is not what Schemathesis takes it for."""
    if "negative_data_rejection" in failure.checks:
        return all(_COOKIE.fullmatch(str(value)) for value in (case.cookies or {}).values())
    return "positive_data_acceptance" not in failure.checks or _is_about_the_request(_problem(response))


def _is_about_the_request(problem: dict[str, Any]) -> bool:
    if problem.get("code") not in _ABOUT_THE_REQUEST:
        return not problem
    return not all(error["code"] == _BEYOND_SCHEMAS for error in problem.get("errors", [{"code": ""}]))


@schemathesis.check
def problem_code_conformance(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """The code of a problem is one that the operation's description has for that status."""
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    contents = described.get("content", {})
    codes = contents.get(PROBLEM, contents.get("application/json", {})).get("examples")
    code = _problem(response).get("code")
    if codes is not None and code not in codes:
        message = f"The code {code} is not described for {response.status_code}: {', '.join(codes)}."
        raise Failure(operation=case.operation.label, title="Undocumented code", message=message)


@schemathesis.check
class Access:
    """Nobody succeeds without the permissions that the description names, and who has a token is believed."""

    def __init__(self) -> None:
        self.asked = 0
        self.believed = 0

    def after_response(self, _: CheckContext, response: Response, case: Case[Any]) -> None:
        demands = case.operation.definition.raw.get("security", [])
        if not demands:
            return
        self.asked += 1
        self.believed += response.status_code < 400 or response.status_code in _BEHIND_THE_TOKEN
        if response.status_code < 300 and not any(_may(demand) for demand in demands):
            message = f"It succeeded, and demands {json.dumps(demands)}."
            title = "Success without permission"
            raise Failure(operation=case.operation.label, title=title, message=message)

    def after_run(self, _: CheckContext) -> None:
        if self.asked and not self.believed and _who.permissions is not None:
            message = "Every operation that needs a token refused: nothing behind it was tried."
            raise Failure(operation=None, title="Nobody was signed in", message=message)


def _may(demand: dict[str, list[str]]) -> bool:
    """Whether this caller fulfils one of the alternatives of an operation's `security`."""
    needed = {permission for permissions in demand.values() for permission in permissions}
    return _who.permissions is not None and needed <= _who.permissions


def _problem(response: Response) -> dict[str, Any]:
    """The body of a problem, also where it is told as OpenAI's clients know it; empty where it is none."""
    if response.status_code < 400:
        return {}
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    if isinstance(error := body.get("error"), dict):
        beyond = bool(_SENTENCES.search(error["message"]))
        return {"code": error["code"], "errors": [{"code": _BEYOND_SCHEMAS}]} if beyond else error
    return body if response.headers.get("content-type", [""])[0].startswith(PROBLEM) else {}
