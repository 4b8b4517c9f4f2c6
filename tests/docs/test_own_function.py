"""The README's function of your own is made in a copy of the project, as it stands there, and used."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.models.revision import HEAD
from infra.local.home import PROJECT
from tests.docs.readme import Block, applied, blocks, section

BLOCKS = blocks(section("A function of your own"))
COPIED = (
    "docs",
    "functions",
    "layers",
    "infra",
    "migrations",
    "tests",
    "pyproject.toml",
    "changes.md",
    "README.md",
    "Makefile",
)
# The README shows the first revision after the first; here it comes after the newest.
REVISIONS = {"0001": HEAD, "0002": f"{int(HEAD) + 1:04}"}

# Its own test, and those of the house that look at every function, as far as they look at this one.
TESTS = (
    "tests/functions/notes",
    "tests/contract/test_document.py",
    "tests/contract/test_refusals.py",
    "tests/structure/test_rooms.py",
    "tests/structure/test_writers.py",
    "tests/structure/test_creations.py",
    "tests/structure/test_personal_data.py",
    "tests/migrations/test_ownership.py",
    "tests/migrations/test_runner.py",
)
CHOSEN = "notes or committed or ownership or head or drift_apart"


def _with_revisions(text: str) -> str:
    return re.sub("|".join(REVISIONS), lambda found: REVISIONS[found.group()], text)


def _copy(folder: Path) -> None:
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)


def _write(block: Block, folder: Path) -> None:
    path = folder / _with_revisions(block.path)
    text = _with_revisions(block.text)
    path.parent.mkdir(parents=True, exist_ok=True)
    if block.language == "diff":
        path.write_text(applied(text, path.read_text(encoding="utf-8")), encoding="utf-8")
        return
    assert not path.exists(), f"the README writes {block.path} over"
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "lambkin"
    _copy(folder)
    for block in BLOCKS:
        _write(block, folder)
    for package in ("functions/notes", "tests/functions/notes"):
        (folder / package / "__init__.py").touch()
    return folder


def _run(copy: Path, *command: str) -> str:
    """Run a program of this environment in the copy, whose code comes first."""
    ours = ("DATABASE_URL", "LAMBKIN_TEST_", "PYTEST_", "STAGE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["PYTHONPATH"] = f"{copy}{os.pathsep}{copy / 'layers'}"
    result = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-6000:]}"
    return result.stdout


def test_each_part_of_it_has_a_file() -> None:
    assert {block.language for block in BLOCKS} == {"python", "diff"}
    assert [block for block in BLOCKS if not block.path] == []


def test_it_works_as_it_stands_and_keeps_the_rules_of_the_house(copy: Path) -> None:
    _run(copy, sys.executable, "-m", "infra.cli", "openapi")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, *TESTS]
    assert re.search(r"^[1-9]\d+ passed", _run(copy, *command), re.MULTILINE)


def test_it_is_written_as_the_rest_is(copy: Path) -> None:
    written = [_with_revisions(block.path) for block in BLOCKS if block.language == "python"]
    ruff = str(Path(sys.executable).with_name("ruff"))
    _run(copy, ruff, "format", "--no-cache", "--check", *written)
    _run(copy, ruff, "check", "--no-cache", *written)
