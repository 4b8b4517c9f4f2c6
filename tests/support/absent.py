"""What a function's artifact does not hold: modules that only development, or another function, needs."""

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import Any

from packaging.requirements import Requirement

from infra.local.home import PROJECT

OURS = {"functions", "common", "infra", "migrations", "tests"}


@cache
def absent(function: str) -> list[str]:
    """The top-level modules that are installed here and that neither the layer nor `function` brings."""
    project = _project()
    own = [each for each in project["dependency-groups"].get(function, []) if isinstance(each, str)]
    held = _needed([*project["project"]["dependencies"], *own])
    return sorted(
        module
        for module, distributions in packages_distributions().items()
        if module not in OURS and not {_normal(name) for name in distributions} & held
    )


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


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
