"""docs/audit.md names every action that the code records, and no other."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from common.models import AuditEntry
from functions.users.schemas.audit import AuditFilters
from infra.local.home import PROJECT
from tests.structure.sources import Source, sources

PAGE = (PROJECT / "docs" / "audit.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<action>[a-z_]+\.[a-z_]+)` \| .*? \|(?P<refused>.*?)\|(?P<details>.*?)\|$", re.MULTILINE
)
ROWS = {row["action"]: row for row in ROW.finditer(PAGE)}
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
OWN_PARAMETERS = {"subject_id", "actor_id", "outcome", None}


def _action(call: ast.Call) -> str:
    """The action among a call's arguments."""
    strings = (each.value for each in call.args if isinstance(each, ast.Constant))
    return next((each for each in strings if isinstance(each, str) and ACTION.fullmatch(each)), "")


def _records(source: Source) -> Iterator[ast.Call]:
    """The calls of `audit.record` in a file, and those that hand an action on to one."""
    names = {here for module, name, here in source.imports() if (module, name) == ("common", "audit")}
    names |= {here for module, name, here in source.imports() if (module, name) == ("common.audit", "record")}
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "record":
            called = called.value
        if (isinstance(called, ast.Name) and called.id in names) or _action(node):
            yield node


@cache
def _recording() -> dict[str, list[ast.Call]]:
    """The files that record, with their calls."""
    return {
        str(source): list(_records(source))
        for source in sources("functions", "layers", "infra")
        if any(name == "audit" or module == "common.audit" for module, name, _ in source.imports())
    }


@cache
def _actions() -> dict[str, str]:
    """Each action with the file that records it: any string of that form there, as some are handed on."""
    return {
        node.value: str(source)
        for source in sources("functions", "layers", "infra")
        if str(source) in _recording()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value)
    }


def test_the_page_names_every_action_that_is_recorded() -> None:
    assert {action: path for action, path in _actions().items() if action not in ROWS} == {}


def test_the_page_names_no_other() -> None:
    assert set(ROWS) - set(_actions()) == set()


def test_its_rows_are_in_the_order_of_their_actions() -> None:
    assert list(ROWS) == sorted(ROWS)


@pytest.mark.parametrize("path", _recording())
def test_a_row_names_the_details_of_its_action(path: str) -> None:
    for call in _recording()[path]:
        given = {keyword.arg for keyword in call.keywords} - OWN_PARAMETERS
        if _action(call) in ROWS:
            assert given <= set(re.findall(r"`(\w+)`", ROWS[_action(call)]["details"])), _action(call)


@pytest.mark.parametrize("path", _recording())
def test_a_row_tells_when_its_action_is_refused(path: str) -> None:
    for call in _recording()[path]:
        outcomes = [*call.args, *(each.value for each in call.keywords if each.arg == "outcome")]
        refused = any(isinstance(each, ast.Constant) and each.value == "refused" for each in outcomes)
        if refused and _action(call) in ROWS:
            assert ROWS[_action(call)]["refused"].strip(), _action(call)


def test_the_page_names_every_member_and_every_filter() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE))
    assert set(AuditEntry.__table__.columns.keys()) - {"id", "created_at"} <= told
    assert set(AuditFilters.model_fields) <= told
