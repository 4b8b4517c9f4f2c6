"""boto3 clients, made on first use and once per process: importing boto3 alone costs more than a request."""

import os
import threading
from typing import Any, Final

from common import tracing
from common.settings import get_settings

_EMULATOR_REGION: Final = "us-east-1"
_clients: dict[tuple[str, str | None, str | None, float], Any] = {}
_lock = threading.Lock()


def aws_client(service: str, *, timeout_seconds: float, reached_at: str | None = None) -> Any:  # noqa: ANN401 - boto3's clients have no types
    """The client of `service` at AWS_ENDPOINT_URL, or at AWS.

    `timeout_seconds` bounds the connect and each read. It never repeats a call: who uses it does, or a job.
    `reached_at` is another address of the same service: what is presigned for clients names theirs.
    """
    endpoint = get_settings().aws_endpoint
    key = (service, endpoint, reached_at, timeout_seconds)
    with _lock:
        if key not in _clients:
            _clients[key] = _make_client(
                service, reached_at or endpoint, timeout_seconds, _stand_ins(endpoint)
            )
        return _clients[key]


def _make_client(service: str, endpoint: str | None, timeout_seconds: float, given: dict[str, str]) -> Any:  # noqa: ANN401 - as above
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},
        # Left to itself, boto3 presigns for S3 with the version before, which newer regions refuse, and for
        # an address that leads elsewhere from all but one.
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "virtual"} if service == "s3" and endpoint is None else None,
    )
    # A session of its own: boto3's default one must not be used by several threads.
    client = Session().client(service, endpoint_url=endpoint, config=config, **given)
    if tracing.spans:
        tracing.spans.watch(client)
    return client


def _stand_ins(endpoint: str | None) -> dict[str, str]:
    """What an emulator wants to see and does not check, where the environment has none.

    Without it boto3 would look for credentials at a machine's metadata address, for seconds. AWS never speaks
    plain HTTP, so that its own endpoints get none of this.
    """
    given: dict[str, str] = {}
    # The tools of other languages go by AWS_REGION, boto3 by the other name alone.
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    if region:
        given["region_name"] = region
    if endpoint is None or not endpoint.startswith("http://"):
        return given
    given.setdefault("region_name", _EMULATOR_REGION)
    if not os.environ.get("AWS_ACCESS_KEY_ID"):
        given |= {"aws_access_key_id": "emulator", "aws_secret_access_key": "emulator"}
    return given
