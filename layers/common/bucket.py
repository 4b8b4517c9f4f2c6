"""The bucket: what functions keep there, and the links with which clients fetch it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from common.aws import aws_client
from common.settings import get_settings

LINK_SECONDS: Final = 300
"""How long a presigned link works: long enough to follow it, too short to pass it on."""

_CALL_SECONDS: Final = 30.0
# What a service without encryption of its own answers to the wish for it.
_NO_ENCRYPTION: Final = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})


class BucketFailed(Exception):
    """The bucket does not answer, or refuses. Names the call and the reason; no key, as one may be secret."""


def put(key: str, content: bytes, content_type: str) -> None:
    """Store an object, encrypted at rest where the service offers it. Raises BucketFailed."""
    from botocore.exceptions import ClientError

    wanted = {
        "Bucket": get_settings().bucket,
        "Key": key,
        "Body": content,
        "ContentType": content_type,
        "CacheControl": "no-store",
    }
    with _telling("put"):
        try:
            _client().put_object(**wanted, ServerSideEncryption="AES256")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _NO_ENCRYPTION:
                raise
            _client().put_object(**wanted)


def remove_below(prefix: str) -> int:
    """Delete every object whose key begins with `prefix`; how many. Raises BucketFailed."""
    if not prefix.strip("/"):
        raise ValueError("that is the whole bucket")
    removed = 0
    with _telling("remove"):
        while found := _below(prefix):
            for key in found:
                _client().delete_object(Bucket=get_settings().bucket, Key=key)
            removed += len(found)
    return removed


def presigned_get(key: str, *, filename: str, content_type: str) -> str:
    """A link that gives the object to whoever has it, for LINK_SECONDS, as a download called `filename`.

    It is signed for S3_PUBLIC_URL, the address that clients reach. Nothing is asked over the network, but
    credentials may be looked up: not for the event loop.
    """
    return str(
        _client(get_settings().s3_public_url).generate_presigned_url(
            "get_object",
            Params={
                "Bucket": get_settings().bucket,
                "Key": key,
                "ResponseContentType": content_type,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
                "ResponseCacheControl": "no-store",
            },
            ExpiresIn=LINK_SECONDS,
        )
    )


@contextmanager
def _telling(call: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise BucketFailed(f"{call}: {error.response.get('Error', {}).get('Code', '')}") from None
    except BotoCoreError as error:
        # Its message has the address of the object.
        raise BucketFailed(f"{call}: {type(error).__name__}") from None


def _below(prefix: str) -> list[str]:
    answer = _client().list_objects_v2(Bucket=get_settings().bucket, Prefix=prefix)
    return [each["Key"] for each in answer.get("Contents", ())]


def _client(reached_at: str | None = None) -> Any:  # noqa: ANN401 - boto3's clients have no types
    return aws_client("s3", timeout_seconds=_CALL_SECONDS, reached_at=reached_at)
