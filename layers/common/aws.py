"""Clients of AWS, or of its emulator: made once per process and service, and not before they are used."""

from functools import lru_cache
from typing import Any

from common.settings import get_settings


@lru_cache(maxsize=16)
def aws_client(service: str, *, timeout_seconds: float = 5.0, attempts: int = 2) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """The boto3 client of `service`, with bounded time and retries."""
    # Imported here: boto3 costs more than all of a small function's own start.
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return boto3.client(service, endpoint_url=get_settings().aws_endpoint, config=config)


def forget_clients() -> None:
    """Make new ones at the next use: for tests that change the settings."""
    aws_client.cache_clear()
