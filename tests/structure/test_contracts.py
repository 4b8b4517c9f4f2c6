"""import-linter looks at every function, also at one that is new."""

import tomllib
from fnmatch import fnmatch

import pytest

from infra.local.home import PROJECT

CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]
FUNCTIONS = [
    f"functions.{path.parent.name}" for path in sorted((PROJECT / "functions").glob("*/__init__.py"))
]


def _looked_at(contract: dict[str, list[str]]) -> list[str]:
    keys = ("modules", "source_modules", "containers")
    return [pattern for key in keys for pattern in contract.get(key, []) if pattern.startswith("functions")]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", ["independence", "layers"])
def test_a_function_is_under_every_rule_of_functions(kind: str, function: str) -> None:
    patterns = [
        pattern for contract in CONTRACTS if contract["type"] == kind for pattern in _looked_at(contract)
    ]
    assert [pattern for pattern in patterns if fnmatch(function, pattern)] != []
