"""A plugin of the AWS CLI, which takes no presigned requests: it has the CLI send its own, signed by us.

What the CLI makes of a command stays as it is: method, path, headers, body and checksums. It signs nothing
(`--no-sign-request`); in place of a signature goes the query of PRESIGNED_URL, if the rest is the same.
"""

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit


def awscli_initialize(cli: Any) -> None:
    """What the CLI calls."""
    cli.register("before-send.s3", _sign)


def _sign(request: Any, **_: Any) -> None:
    own, presigned = urlsplit(request.url), urlsplit(os.environ["PRESIGNED_URL"])
    if own[:3] != presigned[:3] or not parse_qs(own.query).items() <= parse_qs(presigned.query).items():
        raise ValueError(f"{request.url} is not what was presigned")
    request.url = presigned.geturl()
