"""The SAM CLI: the one on the PATH, or the pinned one in an environment that uv keeps for it."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from infra.build.requirements import uv
from infra.commands.build import ARCHITECTURE_VARIABLE
from infra.deploy.stages import DeploymentFailed, Stage
from infra.local.home import PROJECT

VERSION: Final = "1.170.0"
BUILT: Final = PROJECT / ".aws-sam" / "build" / "template.yaml"
UNNAMED: Final = "0" * 64
"""The default of ReleaseHash in template.yaml."""


def command() -> list[str]:
    """How SAM is started."""
    found = shutil.which("sam")
    if found:
        return [found]
    return [uv(), "tool", "run", "--python", sys.executable, "--from", f"aws-sam-cli=={VERSION}", "sam"]


def build(stage: Stage, parameters: Mapping[str, str]) -> None:
    """`sam build`, for the processor that the parameters name. Raises DeploymentFailed."""
    architecture = {**stage.overrides, **parameters}.get("Architecture", "x86_64")
    building = ["build", "--parallel", "--config-env", stage.name]
    _run(stage, building, "sam build", {ARCHITECTURE_VARIABLE: architecture})


def deploy(stage: Stage, release: str, given: Mapping[str, str], options: Sequence[str]) -> None:
    """`sam deploy` of what was built, under the name of this release. Raises DeploymentFailed."""
    there = {"EmulatorUrl": stage.endpoint} if stage.endpoint else {}
    named = hashlib.sha256(release.encode()).hexdigest()
    release_named = {"Release": release, "ReleaseHash": named}
    parameters = {**stage.overrides, **there, **release_named, **given}
    # Quoted for SAM's own reading of it.
    # Emulators translate the template with the defaults of its parameters, and not with their values.
    built = BUILT.read_text(encoding="utf-8")
    BUILT.write_text(built.replace(UNNAMED, named), encoding="utf-8")
    quoted = [f'{name}="{value}"' for name, value in parameters.items()]
    # A place of its own for each release. Where CloudFormation saw the place of before, it would leave the
    # code that is there, also one that was shipped alone and refused.
    place = ["--s3-prefix", f"{stage.stack}/{named[:16]}"]
    deploying = ["deploy", "--config-env", stage.name, "--no-progressbar", *place, *options]
    _run(stage, [*deploying, "--parameter-overrides", *quoted], "sam deploy")


def _run(stage: Stage, arguments: list[str], name: str, more: Mapping[str, str] | None = None) -> None:
    environment = {**stage.environment, "SAM_CLI_TELEMETRY": "0", **(more or {})}
    done = subprocess.run([*command(), *arguments], cwd=PROJECT, env=environment, check=False)
    if done.returncode:
        raise DeploymentFailed(f"{name} failed with exit code {done.returncode}: its last lines say why.")
