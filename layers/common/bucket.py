"""The bucket: what functions keep there, and the links with which clients fetch it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from common.aws import aws_client
from common.settings import get_settings

LINK_SECONDS: Final = 300
"""How long a presigned link works: long enough to follow it, too short to pass it on."""

_CALL_SECONDS: Final = 30.0
# What a service without encryption of its own answers to the wish for it.
_NO_ENCRYPTION: Final = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})


class BucketFailed(Exception):
    """The bucket does not answer, or refuses. Names the call and the reason; no key, as one may be secret.

    `code` is what S3 calls the reason; empty where it did not answer.
    """

    def __init__(self, call: str, reason: str, code: str = "") -> None:
        super().__init__(f"{call}: {reason}")
        self.code = code


def put(key: str, content: bytes | BinaryIO, content_type: str) -> None:
    """Store an object, encrypted at rest where the service offers it. Raises BucketFailed.

    `content` may be an open file, which is read from its beginning.
    """
    from botocore.exceptions import ClientError

    wanted = {
        "Bucket": get_settings().bucket,
        "Key": key,
        "Body": content,
        "ContentType": content_type,
        "CacheControl": "no-store",
    }
    with telling("put"):
        try:
            bucket_client().put_object(**wanted, ServerSideEncryption="AES256")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _NO_ENCRYPTION:
                raise
            if not isinstance(content, bytes):
                content.seek(0)
            bucket_client().put_object(**wanted)


def remove_below(prefix: str) -> int:
    """Delete every object whose key begins with `prefix`; how many. Raises BucketFailed."""
    if not prefix.strip("/"):
        raise ValueError("that is the whole bucket")
    removed = 0
    with telling("remove"):
        while found := _below(prefix):
            for key in found:
                bucket_client().delete_object(Bucket=get_settings().bucket, Key=key)
            removed += len(found)
    return removed


def presigned_get(key: str, *, filename: str, content_type: str) -> str:
    """A link that gives the object to whoever has it, for LINK_SECONDS, as a download called `filename`.

    It is signed for S3_PUBLIC_URL, the address that clients reach. Nothing is asked over the network, but
    credentials may be looked up: not for the event loop.
    """
    return str(
        bucket_client(get_settings().s3_public_url).generate_presigned_url(
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
def telling(call: str) -> Iterator[None]:
    """Raise BucketFailed, which names `call`, for what boto3 raises within."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise BucketFailed(call, code, code) from None
    except BotoCoreError as error:
        # Its message has the address of the object.
        raise BucketFailed(call, type(error).__name__) from None


def _below(prefix: str) -> list[str]:
    answer = bucket_client().list_objects_v2(Bucket=get_settings().bucket, Prefix=prefix)
    return [each["Key"] for each in answer.get("Contents", ())]


def bucket_client(reached_at: str | None = None) -> Any:  # noqa: ANN401 - boto3's clients have no types
    """The client, at `reached_at` where it signs for clients who reach the bucket there."""
    return aws_client("s3", timeout_seconds=_CALL_SECONDS, reached_at=reached_at)
