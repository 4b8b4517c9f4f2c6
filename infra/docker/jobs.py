"""The jobs of a function's container: `python -m infra.docker.jobs worker`.

The same as `python -m functions.worker.jobs`, and a sign of life that the container's health check reads.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Final

from common.jobs import Tasks

SIGN_OF_LIFE: Final = Path(tempfile.gettempdir()) / "alive"
BEAT_SECONDS: Final = 5.0


def main() -> None:
    """Run what is due until SIGTERM, and then end what is under way."""
    tasks: Tasks = importlib.import_module(f"functions.{sys.argv[1]}.jobs").tasks
    # From the loop that runs the sweeps: it stops with it.
    tasks.every(seconds=BEAT_SECONDS)(SIGN_OF_LIFE.touch)
    tasks.serve()


if __name__ == "__main__":
    main()
