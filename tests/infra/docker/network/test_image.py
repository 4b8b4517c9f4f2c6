"""What the image installs is enough for what its containers start, and for the commands of an operator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.build.requirements import uv
from infra.local.home import PROJECT
from tests.support import compose

SERVICES = compose.read({})["services"]
# As docs/docker.md has an operator use them inside of a container.
COMMANDS = ("migrate", "user", "keys", "doctor")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the image's packages and no others."""
    environment = tmp_path_factory.mktemp("image") / "venv"
    subprocess.run(
        [
            *(uv(), "sync", "--locked", "--quiet", "--no-default-groups", "--group", "container"),
            *("--no-install-project", "--python", sys.executable),
        ],
        cwd=PROJECT,
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_COMPILE_BYTECODE": "0"},
        check=True,
    )
    return environment / "bin" / "python"


def started_modules() -> list[str]:
    commands = [each["command"] for each in SERVICES.values() if "build" in each and "command" in each]
    return sorted({command[2] for command in commands if command[:2] == ["python", "-m"]})


def test_every_command_of_a_container_and_of_an_operator_can_be_imported(python: Path) -> None:
    modules = [*started_modules(), *(f"infra.commands.{name}" for name in COMMANDS)]
    assert "infra.docker.serve" in modules
    functions = [
        f"functions.{name}.{part}" for name in ("auth", "users", "worker") for part in ("app", "jobs")
    ]
    # What it imports when Ollama is first asked.
    functions += ["functions.ai.app", "httpx"]
    program = f"import importlib; [importlib.import_module(name) for name in {modules + functions}]"
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "layers")])
    imported = subprocess.run(
        [str(python), "-c", program],
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
