"""Each table has one writer: the repository of its owner, or the module of the layer that its model names."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from common import models
from common.models.ownership import OWNERSHIP
from tests.structure.sources import Source, sources

WRITES = {"insert", "update", "delete"}
IN_SQL = re.compile(r"\b(?:insert\s+into|update|delete\s+from|truncate)\s+(\w+)", re.IGNORECASE)
LAYER_WRITER = re.compile(r"Owner: common \(`([a-z_.]+)`\)")

MODELS = {
    name: getattr(models, name) for name in models.__all__ if hasattr(getattr(models, name), "__tablename__")
}
TABLES = {model.__tablename__: model for model in MODELS.values()}

# Table and module, and why that module writes it as well.
EXCEPTIONS = {
    ("api_keys", "common.api_keys"): "every function notes when a key was used, and may write nothing else",
    (
        "sessions",
        "functions.auth.repository.refresh_tokens",
    ): "rotating a token prolongs its session, in one statement",
}


def _module(source: Source) -> str:
    parts = source.path.with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "layers" else parts).removesuffix(".__init__")


def _written(source: Source) -> Iterator[str]:
    """The tables that a file writes, where it names them."""
    makers = {
        here for module, name, here in source.imports() if module.startswith("sqlalchemy") and name in WRITES
    }
    classes = {here: name for module, name, here in source.imports() if module.startswith("common.models")}
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in makers
            and node.args
        ):
            target = node.args[0]
            name = classes.get(target.id) if isinstance(target, ast.Name) else None
            if name in MODELS:
                yield MODELS[name].__tablename__
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (table for table in IN_SQL.findall(node.value) if table in TABLES)


@cache
def _writers() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {table: set() for table in TABLES}
    for source in sources("functions", "layers"):
        for table in _written(source):
            found[table].add(_module(source))
    return found


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_written_by_its_owner_alone(table: str) -> None:
    owner = OWNERSHIP[table].owner
    writer = f"functions.{owner}.repository"
    if owner == "common":
        named = LAYER_WRITER.search(TABLES[table].__doc__ or "")
        assert named is not None, "a table of the layer names the module that writes it"
        writer = named.group(1)
    others = {module for module in _writers()[table] if not f"{module}.".startswith(f"{writer}.")}
    assert {module for module in others if (table, module) not in EXCEPTIONS} == set()


def test_every_table_has_a_writer_that_these_tests_see() -> None:
    assert [table for table, modules in _writers().items() if not modules] == []


def test_every_exception_is_still_needed() -> None:
    assert {
        (table, module) for table, modules in _writers().items() for module in modules
    } >= EXCEPTIONS.keys()
