"""A shell for the blocks of the documents, one after the other."""

import os
import shutil
import subprocess
from pathlib import Path

BASH = shutil.which("bash") or "/bin/bash"
VARIABLES = "API JSON TOKEN ACCESS REFRESH PATH FILE"


def run(script: str, home: Path) -> str:
    """Run a block in a shell that remembers the variables of those before it."""
    remembered = home / "variables"
    remembered.touch()
    whole = f'. "{remembered}"\n{script}\ndeclare -p {VARIABLES} > "{remembered}" 2>/dev/null || true\n'
    result = subprocess.run(
        [BASH, "-eu", "-o", "pipefail", "-c", whole],
        cwd=home,
        env=os.environ | {"LAMBKIN_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    return result.stdout
