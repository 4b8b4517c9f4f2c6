"""Start a module anew whenever code changes: `python -m infra.docker.reload infra.docker.jobs worker`.

For development (docker-compose.dev.yml). It looks at the files' times, which works over every kind of mount.
"""

import runpy
import sys
from typing import Final

from uvicorn import Config
from uvicorn.supervisors.statreload import StatReload

WATCHED: Final = ["functions", "layers"]


def _run(sockets: object = None) -> None:  # noqa: ARG001 - uvicorn passes those of a server
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__")


def main() -> None:
    """Run it until SIGTERM; its own SIGTERM comes before each new start."""
    config = Config("", reload=True, reload_dirs=WATCHED, log_level="warning")
    StatReload(config, target=_run, sockets=[]).run()


if __name__ == "__main__":
    main()
