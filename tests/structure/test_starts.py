"""What a function loads when it starts: each import there is a part of every cold start."""

import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement

from infra.local.discovery import functions
from infra.local.home import PROJECT

# Used by some, needed by none before its first request or job.
NEVER_AT_START = {"boto3", "botocore", "alembic", "jinja2", "psycopg", "httpx", "uvicorn", "typer", "smtplib"}
# Beyond that, what this function has no use for at its start.
NOT_AT_START = {
    "functions.health.app": {"sqlalchemy", "pg8000", "jwt", "cryptography"},
    # FastAPI itself loads email_validator wherever it is installed.
    "functions.users.app": {"argon2", "python_multipart"},
    "functions.worker.app": {"argon2", "email_validator", "python_multipart", "jwt"},
    "functions.worker.jobs": {"argon2", "email_validator", "python_multipart", "jwt", "mangum"},
}
NEVER_SHIPPED = {"infra", "migrations", "tests"}
OURS = {"functions", "common", "infra", "migrations", "tests"}

ENTRIES = [
    entry
    for function in functions()
    for entry, there in (
        (function.app_module, function.serves_http),
        (function.jobs_module, function.handles_jobs),
    )
    if there
]

# Refuses every module of a distribution that the function's artifact does not hold.
CHILD = """
import importlib, json, sys

entry, absent = json.loads(sys.stdin.read())
absent = frozenset(absent)

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
app = getattr(importlib.import_module(entry), "app", None)
built = [route.path for route in getattr(app, "routes", ()) if "dependant" in vars(route)]
json.dump([sorted(sys.modules), built], sys.stdout)
"""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(requirements: list[str]) -> set[str]:
    """The distributions that these requirements bring, with all that those need in turn."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        if (name := _normal(wanted.name)) not in found:
            found.add(name)
            waiting += [Requirement(text) for text in _requires(name)]
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


@cache
def _project() -> dict[str, object]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def _absent(function: str) -> list[str]:
    project: dict[str, list[str]] = _project()["project"]  # type: ignore[assignment]  # TOML has no types
    groups: dict[str, list[object]] = _project()["dependency-groups"]  # type: ignore[assignment]  # the same
    own = [entry for entry in groups.get(function, []) if isinstance(entry, str)]
    held = _needed([*project["dependencies"], *own])
    return [
        module
        for module, distributions in packages_distributions().items()
        if module not in OURS and not {_normal(name) for name in distributions} & held
    ]


def _started(entry: str) -> tuple[frozenset[str], list[str]]:
    """A fresh interpreter in Lambda that has only what the artifact holds: the modules and routes it made."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([entry, _absent(entry.split(".")[1])]),
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_LAMBDA_FUNCTION_NAME": entry},
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    loaded, built = json.loads(child.stdout)
    return frozenset(loaded), built


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_function_starts_with_what_its_artifact_holds_and_makes_nothing_that_can_wait(entry: str) -> None:
    loaded, built = _started(entry)
    assert built == []
    assert loaded & (NEVER_AT_START | NOT_AT_START.get(entry, set())) == set()
    assert {name.partition(".")[0] for name in loaded} & NEVER_SHIPPED == set()
    own = f"{entry.rpartition('.')[0]}."
    assert {
        name for name in loaded if name.startswith("functions.") and not f"{name}.".startswith(own)
    } == set()
