"""The server of `ai` behind Lambda's Web Adapter; `run.sh` starts it: `python -m functions.ai.serving`."""

import os
from typing import Final

import uvicorn

from common.serving import Server

PATIENCE_SECONDS: Final = 0.0
"""Lambda ends an instance that nobody asks anything, and kills what is left of it after 0.3 s."""


def main() -> None:
    """Serve Lambda's Web Adapter until SIGTERM."""
    config = uvicorn.Config(
        "functions.ai.app:app",
        port=int(os.environ.get("AWS_LWA_PORT", "8080")),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        # The function itself decides whom it believes.
        proxy_headers=False,
        # The adapter keeps its connections for 4 s, and a Lambda may be frozen between two.
        timeout_keep_alive=75,
    )
    Server(config, PATIENCE_SECONDS).run()


if __name__ == "__main__":
    main()
