"""The code of before: which commit it is, its sources, and its artifacts.

It is the newest release, a tag `v…`, that HEAD comes after. Where none is there, it is the newest commit that
did not know the newest revision of the migrations.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from infra.build.artifacts import BUILT
from infra.build.requirements import uv
from infra.build.targets import LAYER, MIGRATE, Architecture
from infra.local.home import PROJECT

REVISIONS: Final = "migrations/versions"
_BUILD_SECONDS: Final = 300
# What would build something else than a plain `lambkin build` does there.
_NOT_PASSED_ON: Final = ("LAMBDA_", "LAMBKIN_", "VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT")
_WITH_BUILDER_OF_TODAY: Final = """
import sys
from infra.build.artifacts import Wanted, build
from infra.build.targets import names
for name in names():
    build(name, Wanted(sys.argv[1]), print)
"""


class NoHistory(Exception):
    """There is no code of before here; the message says why, and what would bring it."""


class CannotBuild(Exception):
    """The code of before cannot be built; the message is what its builder said."""


@dataclass(frozen=True)
class Base:
    """A commit, and what makes it the one before."""

    commit: str
    why: str


def find(project: Path = PROJECT) -> Base:
    """The code of before. Raises NoHistory."""
    if _git(project, "rev-parse", "--is-shallow-repository") == "true":
        raise NoHistory("This checkout is shallow: `git fetch --unshallow --tags` brings the code of before.")
    newest = max(path.relative_to(project).as_posix() for path in (project / REVISIONS).glob("[0-9]*.py"))
    is_committed = bool(_git(project, "ls-tree", "--name-only", "HEAD", "--", newest))
    # Whoever writes a revision has HEAD before it, released or not.
    not_head = ("--no-contains", "HEAD") if is_committed else ()
    order = ("-c", "versionsort.suffix=-")  # 1.0.0-rc1 is before 1.0.0
    listed = ("tag", "--list", "v[0-9]*", "--merged", "HEAD", *not_head, "--sort=-version:refname")
    if tags := _git(project, *order, *listed).splitlines():
        return Base(_git(project, "rev-parse", f"{tags[0]}^{{commit}}"), f"the release {tags[0]}")
    if not is_committed:
        return Base(_git(project, "rev-parse", "HEAD"), f"HEAD, as {newest} is not committed")
    added = _git(project, "log", "--follow", "--diff-filter=A", "--format=%H", "--", newest).splitlines()
    parents = _git(project, "rev-list", "--parents", "-n", "1", added[0]).split()[1:]
    if not parents:
        raise NoHistory(f"No code is older than {newest}, and no release is: there is no code of before.")
    return Base(parents[0], f"the newest that did not know {newest}")


def check_out(base: Base, folder: Path, project: Path = PROJECT) -> None:
    """Put the sources of that commit into this folder. Raises NoHistory."""
    packed = subprocess.run(
        [_program(), "archive", base.commit], cwd=project, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")


def build(folder: Path, architecture: Architecture) -> dict[str, Path]:
    """Build all artifacts of a checkout by its own builder, in its own environment, both from its own lock.

    Code from before there was a builder gets the one of today; sources and lock stay its own. Returns the
    folder of each artifact. Raises CannotBuild.
    """
    command = ["lambkin", "build", "--arch", architecture]
    if not (folder / "infra" / "build").is_dir():
        shutil.rmtree(folder / "infra")
        shutil.copytree(PROJECT / "infra", folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        command = ["python", "-c", _WITH_BUILDER_OF_TODAY, architecture]
    built = subprocess.run(
        [uv(), "run", "--locked", "--quiet", "--python", sys.executable, *command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if built.returncode:
        raise CannotBuild(f"{built.stdout}{built.stderr}".strip())
    there = folder / BUILT.name / architecture
    return {path.name: path for path in sorted(there.iterdir()) if path.is_dir()}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    # What the Makefile wishes for an environment that is used more than once.
    return {**kept, "UV_COMPILE_BYTECODE": "0"}


def functions_of(artifacts: dict[str, Path]) -> list[str]:
    """The functions among artifacts: of before, not of today."""
    return [name for name in artifacts if name not in (LAYER, MIGRATE)]


def _git(project: Path, *arguments: str) -> str:
    """What git says. Raises NoHistory where it knows nothing of this folder."""
    told = subprocess.run([_program(), *arguments], cwd=project, capture_output=True, text=True, check=False)
    if told.returncode:
        raise NoHistory(f"This is no checkout with a history: git says {told.stderr.strip()!r}.")
    return told.stdout.strip()


def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise NoHistory("git is not installed: the code of before cannot be had.")
    return found
