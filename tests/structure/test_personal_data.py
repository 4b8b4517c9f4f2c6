"""What belongs to a person is exported and erased by the function that keeps it, and the guide says so."""

import ast
import importlib
import re
from importlib import import_module

import pytest

from common.functions import FUNCTIONS, PERSONAL
from common.models import Base
from common.models.ownership import OWNERSHIP
from common.personal_data import MOST_RECORDS
from infra.local.home import PROJECT

TEXT = (PROJECT / "docs" / "personal-data.md").read_text(encoding="utf-8")
# What refers to a person without a foreign key, or without a readable word about whom.
BESIDES = {"users", "audit_log", "jobs", "idempotency_keys", "rate_limits"}


def _of_people() -> set[str]:
    """The tables with rows that belong to an account, directly or through another of them."""
    found = {"users"}
    while True:
        more = {
            table.name
            for table in Base.metadata.tables.values()
            if {key.column.table.name for key in table.foreign_keys} & found
        }
        if more <= found:
            return found - {"users"}
        found |= more


@pytest.mark.parametrize("table", sorted(_of_people()))
def test_a_table_about_people_belongs_to_a_function_that_exports_and_erases(table: str) -> None:
    assert OWNERSHIP[table].owner in {*PERSONAL, "common"}


@pytest.mark.parametrize("function", PERSONAL)
def test_a_function_that_keeps_personal_data_has_both_tasks(function: str) -> None:
    assert function in FUNCTIONS
    registered = import_module(f"functions.{function}.jobs").tasks.registered
    assert registered.keys() >= {"export_person", "erase_person"}


@pytest.mark.parametrize("table", sorted(_of_people() | BESIDES))
def test_the_guide_says_what_becomes_of_each_table(table: str) -> None:
    [kept] = re.findall(r"^## What is kept where\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    assert f"`{table}`" in kept or OWNERSHIP[table].owner not in {"auth", "users", "common"}


def test_the_guides_python_imports_what_there_is_and_its_numbers_are_the_codes() -> None:
    [block] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name) or import_module(f"{node.module}.{alias.name}")
    assert f"the newest {MOST_RECORDS:,}" in TEXT
