"""The entries of artifacts: what Lambda calls in them, and what a start imports."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.build.targets import LAYER, MIGRATE, BuildFailed
from infra.local.discovery import functions
from infra.local.home import PROJECT

_CHILD: Final = """
import importlib, json, sys
entry, *folders = sys.argv[1:]
sys.path[:0] = folders
importlib.import_module(entry)
print(json.dumps(sorted(sys.modules)))
"""


def entries(name: str) -> list[str]:
    """The modules of an artifact with a `handler`."""
    if name == LAYER:
        return []
    if name == MIGRATE:
        return ["migrations.handler"]
    [found] = [each for each in functions() if each.name == name]
    both = ((found.app_module, found.serves_http), (found.jobs_module, found.handles_jobs))
    return [module for module, there in both if there]


def modules_at_start(entry: str, folders: Sequence[Path]) -> list[str]:
    """All modules that importing an entry leaves, where only these folders are on the path.

    Raises BuildFailed where it cannot be imported.
    """
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        "-c",
        _CHILD,
        entry,
        *(str(each.resolve()) for each in folders),
    ]
    environment = {"AWS_LAMBDA_FUNCTION_NAME": entry, "STAGE": "test", "PATH": os.environ.get("PATH", "")}
    started = subprocess.run(
        command, cwd=PROJECT.anchor, env=environment, capture_output=True, text=True, check=False
    )
    if started.returncode:
        raise BuildFailed(f"{entry} does not start from its artifact: {started.stderr.strip()}")
    found: list[str] = json.loads(started.stdout)
    return found
