"""What all tests of deployment share: artifacts that are built once a run."""

import os
import platform
from pathlib import Path

import pytest

from infra.build.artifacts import Wanted, alone, build
from infra.build.sandbox import runtime_folder
from infra.build.targets import LAYER, Architecture, names

MACHINE: Architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
NATIVE = Wanted(MACHINE)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each artifact, built for this machine's processor."""
    run = tmp_path_factory.getbasetemp()
    shared = run.parent if "PYTEST_XDIST_WORKER" in os.environ else run
    done = shared / "artifacts-are-built"
    with alone(shared):
        if not done.exists():
            for name in names():
                build(name, NATIVE, lambda _: None)
            done.touch()
    return {name: NATIVE.folder / name for name in names()}


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The real runtime client and boto3, in a folder of their own."""
    return runtime_folder()


@pytest.fixture(scope="session")
def layer(artifacts: dict[str, Path]) -> Path:
    """What Lambda puts on the path for the layer."""
    return artifacts[LAYER] / "python"
