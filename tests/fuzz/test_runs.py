"""What `make fuzz` finds, and what it rightly leaves alone."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.api_keys import forget_api_keys
from common.permissions import BUILT_IN
from tests.fuzz import __main__ as fuzz
from tests.fuzz import planted
from tests.fuzz.callers import WHO, Program, SignedIn
from tests.fuzz.runs import Run
from tests.support.transports import uvicorn_server
from tests.support.world import World

type Planted = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run_planted(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Planted]:
    document: Path = tmp_path_factory.mktemp("fuzz") / "openapi.json"
    document.write_text(json.dumps(planted.document()))
    with uvicorn_server(planted.application()) as url:

        def run(who: str, *options: str) -> Any:
            return Run(url, document, who, 3, 1, options).start(stdout=subprocess.PIPE)

        yield run


def _failed(ended: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"^_+ (?:GET /)?(\S.*?) _+$", ended.stdout, re.MULTILINE))


def test_a_run_finds_every_wrong_answer_and_no_other(run_planted: Planted) -> None:
    ended = run_planted("nobody")
    assert _failed(ended) == {name for name in planted.PLANTED if not name.startswith("right/")}, ended.stdout
    assert ended.returncode == 1


def test_a_run_in_which_no_token_is_believed_fails(run_planted: Planted) -> None:
    ended = run_planted("member", "--include-path=/right/closed")
    assert "Nobody was signed in" in ended.stdout
    assert ended.returncode == 1


def test_a_run_knows_what_its_caller_may_do(run_planted: Planted) -> None:
    ended = run_planted("member", "--include-path-regex=^/open-to-")
    assert _failed(ended) == {"open-to-members"}, ended.stdout


def test_a_run_without_a_wrong_answer_succeeds(run_planted: Planted) -> None:
    ended = run_planted("nobody", "--include-path-regex=^/right/")
    assert _failed(ended) == set()
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("who", BUILT_IN)
def test_a_caller_stays_until_the_session_the_account_or_the_role_is_another(
    who: str, world: World, asgi: httpx.Client
) -> None:
    def gone(method: str, path: str) -> bool:
        caller = WHO[who].mint(world)
        assert caller is not None
        assert caller.is_still_there(asgi)
        assert asgi.request(method, path, headers=caller.headers).is_success
        return not caller.is_still_there(asgi)

    assert not gone("GET", "/v1/users/me")
    assert gone("POST", "/v1/auth/logout")
    assert gone("DELETE", "/v1/users/me")


def test_a_caller_with_other_rights_is_gone(world: World, asgi: httpx.Client) -> None:
    person = world.person(roles=["admin"])
    caller = SignedIn(person)
    assert caller.is_still_there(asgi)
    world.run("update users set roles = '{member}' where id = :id", id=person.id)
    assert not caller.is_still_there(asgi)


def test_a_program_stays_until_its_key_is_revoked(world: World, asgi: httpx.Client) -> None:
    program = Program(world)
    assert program.is_still_there(asgi)
    world.run("delete from api_keys where id = :id", id=program.key.id)
    forget_api_keys()
    assert not program.is_still_there(asgi)


def test_an_option_that_is_not_ours_goes_to_schemathesis() -> None:
    chosen, options = fuzz._arguments(["--cases", "5", "--include-path", "/v1/users/me", "--who", "admin"])
    assert (chosen.cases, chosen.who) == (5, ["admin"])
    assert options == ["--include-path", "/v1/users/me"]
