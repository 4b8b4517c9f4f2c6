"""All functions in a process of its own, whose memory of keys is a hundred times shorter than it is.

    python -m tests.support.hurried_instance

Prints its URL, and serves until its input ends.
"""

import sys
from typing import Final

from common import tokens
from functions.auth import signing
from tests.support.transports import uvicorn_server

HURRY: Final = 100


def main() -> None:
    vars(tokens)["KEYS_SECONDS"] /= HURRY
    vars(signing)["SIGNER_SECONDS"] /= HURRY
    with uvicorn_server() as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
