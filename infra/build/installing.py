"""uv, installing what the lock names and nothing else."""

import os
import subprocess
import tempfile
from collections.abc import Iterable

from infra.build.requirements import uv
from infra.build.targets import BuildFailed


def install(entries: Iterable[str], *options: str) -> None:
    """Install these entries of the lock, with its hashes, as the options of `uv pip install` say.

    Raises BuildFailed.
    """
    command = [
        uv(),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        *options,
        "--requirements",
        "-",
    ]
    installed = subprocess.run(
        command,
        # Elsewhere than in the project, whose constraints have no hashes; the lock has kept them already.
        cwd=tempfile.gettempdir(),
        # What the Makefile wishes for our own environment; here the options say.
        env={name: value for name, value in os.environ.items() if name != "UV_COMPILE_BYTECODE"},
        input="\n".join(entries),
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        raise BuildFailed(f"uv cannot install what the lock names: {installed.stderr.strip()}")
