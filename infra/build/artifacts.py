"""An artifact, made: locked dependencies for Lambda's platform, our own code, bytecode."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.build import archives, contents, requirements
from infra.build.installing import install
from infra.build.targets import LAYER, PLATFORMS, PYTHON_VERSION, Architecture, BuildFailed, Target, target
from infra.local.home import PROJECT

BUILT: Final = PROJECT / "build"
_COMPILER: Final = Path(__file__).with_name("compiling.py")


@dataclass(frozen=True)
class Wanted:
    """How to build: for which processor, with which optional groups, and with the layer inside or not."""

    architecture: Architecture = "x86_64"
    extras: tuple[str, ...] = ()
    bundle_layer: bool = False

    @property
    def folder(self) -> Path:
        """Where artifacts of this kind are kept."""
        return BUILT / (f"{self.architecture}-bundled" if self.bundle_layer else self.architecture)


def build(name: str, wanted: Wanted, say: Callable[[str], None]) -> Path:
    """Build an artifact into its folder, and a zip file beside it; the folder. Raises BuildFailed."""
    folder = wanted.folder / name
    with alone(folder.parent):
        build_into(target(name), folder, wanted, say)
        archives.pack(folder, folder.with_suffix(".zip"))
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else builds into this folder; nobody does until the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_into(built: Target, folder: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
    """Build an artifact into a folder, whose contents before are gone only when it is complete.

    Raises BuildFailed.
    """
    _require_interpreter()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{built.name}-", dir=folder.parent) as draft:
        root = Path(draft) / "artifact"
        _fill(built, root, wanted, say)
        if folder.exists():
            shutil.rmtree(folder)
        root.rename(folder)


def _fill(built: Target, root: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
    inside = root / built.below
    inside.mkdir(parents=True)
    needed = requirements.of_target(built, wanted.extras)
    bundled = wanted.bundle_layer and built.name != LAYER
    if bundled:
        needed = sorted({*needed, *requirements.of_layer(wanted.extras)})
    say(f"{built.name}: {len(needed)} packages for {wanted.architecture}")
    if needed:
        _install(needed, inside, wanted.architecture)
        contents.strip(inside)
    for own in (target(LAYER), built) if bundled else (built,):
        contents.add_own_code(own, inside)
    say(f"{built.name}: bytecode")
    compile_folder(root, built.mounted_at)
    archives.settle(root)


def _install(needed: Sequence[str], folder: Path, architecture: Architecture) -> None:
    """Only wheels, for the platform; bytecode is made once all is in place."""
    platform = ("--python-platform", PLATFORMS[architecture], "--python-version", PYTHON_VERSION)
    wheels = ("--only-binary", ":all:", "--no-compile-bytecode", "--link-mode", "copy")
    install(needed, *platform, *wheels, "--target", str(folder))


def compile_folder(root: Path, mounted_at: str) -> None:
    """Compile a folder as `compiling.py` says. Raises BuildFailed."""
    # Hashes of strings decide in which order a set is written.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-s", "-S", "-P", str(_COMPILER), str(root), mounted_at]
    compiled = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if compiled.returncode:
        raise BuildFailed(f"The bytecode cannot be made: {compiled.stderr.strip()}")


def _require_interpreter() -> None:
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running != PYTHON_VERSION or sys.implementation.name != "cpython":
        by = f"{sys.implementation.name} {running}"
        raise BuildFailed(f"Bytecode for Lambda's Python {PYTHON_VERSION} cannot be made by {by}.")
