"""The SAM CLI: the one on the PATH, or the pinned one in an environment that uv keeps for it."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from infra.build.requirements import uv
from infra.commands.build import ARCHITECTURE_VARIABLE
from infra.deploy.stages import DeploymentFailed, Stage
from infra.local.home import PROJECT

VERSION: Final = "1.170.0"


def command() -> list[str]:
    """How SAM is started."""
    found = shutil.which("sam")
    if found:
        return [found]
    return [uv(), "tool", "run", "--python", sys.executable, "--from", f"aws-sam-cli=={VERSION}", "sam"]


def build(stage: Stage) -> None:
    """`sam build`, for the processor that samconfig.toml names. Raises DeploymentFailed."""
    _run(stage, ["build", "--parallel", "--config-env", stage.name], "sam build")


def deploy(stage: Stage, release: str, overrides: dict[str, str], options: Sequence[str]) -> None:
    """`sam deploy` of what was built. Raises DeploymentFailed."""
    there = {"EmulatorUrl": stage.endpoint} if stage.endpoint else {}
    parameters = stage.overrides | there | {"Release": release} | overrides
    # Quoted for SAM's own reading of it.
    given = [f'{name}="{value}"' for name, value in parameters.items()]
    deploying = ["deploy", "--config-env", stage.name, "--no-progressbar", *options]
    _run(stage, [*deploying, "--parameter-overrides", *given], "sam deploy")


def _run(stage: Stage, arguments: list[str], name: str) -> None:
    environment = stage.environment | {
        "SAM_CLI_TELEMETRY": "0",
        ARCHITECTURE_VARIABLE: stage.overrides.get("Architecture", "x86_64"),
    }
    done = subprocess.run([*command(), *arguments], cwd=PROJECT, env=environment, check=False)
    if done.returncode:
        raise DeploymentFailed(f"{name} failed with exit code {done.returncode}: its last lines say why.")
