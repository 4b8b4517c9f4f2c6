"""The bucket as `files` uses it: what clients write by presigned requests, what is read and removed.

Nothing here knows the database. Every key is on record in `stored_objects` before anything is put under it.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from common.bucket import BucketFailed, bucket_client, telling
from common.settings import get_settings

__all__ = ["BucketFailed"]

LINK_SECONDS: Final = 3600
"""How long a presigned request to upload works."""

MOST_PARTS: Final = 10_000
"""S3's own bound on the parts of an object."""

_CHUNK: Final = 1024 * 1024
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_NO_SUCH_CHECKSUM: Final = frozenset({"InvalidRequest", "InvalidArgument", "NotImplemented"})


@dataclass(frozen=True, slots=True)
class PresignedRequest:
    """What a client sends to the bucket: every header exactly so, and a body of the length that is signed."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part that arrived. `crc64nvme` in base64, where the bucket computes it."""

    number: int
    size: int
    etag: str
    crc64nvme: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """An object as the bucket describes it; checksums in base64, where it has them."""

    size: int
    encoding: str
    sha256: str | None
    crc64nvme: str | None


def presign_put(key: str, size: int, sha256: bytes) -> PresignedRequest:
    """A request that puts exactly these bytes under `key`: the bucket refuses another length or digest."""
    digest = base64.b64encode(sha256).decode()
    url = _presign("put_object", LINK_SECONDS, Key=key, ContentLength=size, ChecksumSHA256=digest)
    headers = {"Content-Length": str(size), "x-amz-checksum-sha256": digest}
    return PresignedRequest("PUT", url, headers, _link_end())


def presign_part(
    key: str, upload_id: str, number: int, size: int, crc64nvme: str | None = None
) -> PresignedRequest:
    """A request that puts one part; with `crc64nvme` (base64) exactly these bytes."""
    named = {"Key": key, "UploadId": upload_id, "PartNumber": number, "ContentLength": size}
    headers = {"Content-Length": str(size)}
    if crc64nvme is not None:
        named["ChecksumCRC64NVME"] = crc64nvme
        headers["x-amz-checksum-crc64nvme"] = crc64nvme
    return PresignedRequest("PUT", _presign("upload_part", LINK_SECONDS, **named), headers, _link_end())


def presign_read(key: str, *, head: bool, disposition: str, media_type: str, seconds: int) -> str:
    """A link that gives the object; for a HEAD request where `head`."""
    wanted = {"ResponseContentType": media_type, "ResponseContentDisposition": disposition}
    cached = f"private, max-age={seconds}"
    return _presign(
        "head_object" if head else "get_object", seconds, Key=key, **wanted, ResponseCacheControl=cached
    )


def _presign(call: str, seconds: int, **named: Any) -> str:  # noqa: ANN401 - what boto3 takes
    client = bucket_client(get_settings().s3_public_url)
    with telling("presign"):
        return str(
            client.generate_presigned_url(
                call, Params={"Bucket": get_settings().bucket, **named}, ExpiresIn=seconds
            )
        )


def _link_end() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LINK_SECONDS)


def begin_parts(key: str) -> str:
    """Begin a multipart upload; its id. Parts get a CRC-64/NVME where the bucket offers it."""
    named = {"Bucket": get_settings().bucket, "Key": key}
    try:
        with telling("begin_parts"):
            return str(
                bucket_client().create_multipart_upload(**named, ChecksumAlgorithm="CRC64NVME")["UploadId"]
            )
    except BucketFailed as error:
        if error.code not in _NO_SUCH_CHECKSUM:
            raise
    with telling("begin_parts"):
        return str(bucket_client().create_multipart_upload(**named)["UploadId"])


def parts(key: str, upload_id: str) -> list[Part] | None:
    """The parts that arrived, in their order; None where the bucket knows no such upload (any more)."""
    found: list[Part] = []
    marker = 0
    while True:
        try:
            with telling("parts"):
                page = bucket_client().list_parts(
                    Bucket=get_settings().bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
                )
        except BucketFailed as error:
            if error.code in _GONE:
                return None
            raise
        found += [
            Part(each["PartNumber"], each["Size"], each["ETag"], each.get("ChecksumCRC64NVME"))
            for each in page.get("Parts", ())
        ]
        if not page.get("IsTruncated"):
            return found
        marker = int(page["NextPartNumberMarker"])


def complete_parts(key: str, upload_id: str, arrived: Sequence[Part]) -> None:
    """Make one object of the parts. Nothing happens where that was done already."""
    named = [
        {"PartNumber": each.number, "ETag": each.etag}
        | ({"ChecksumCRC64NVME": each.crc64nvme} if each.crc64nvme else {})
        for each in arrived
    ]
    try:
        with telling("complete_parts"):
            bucket_client().complete_multipart_upload(
                Bucket=get_settings().bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": named},
            )
    except BucketFailed as error:
        if error.code not in _GONE:
            raise


def head(key: str) -> Head | None:
    """What the bucket says of the object; None where there is none."""
    try:
        with telling("head"):
            found = bucket_client().head_object(Bucket=get_settings().bucket, Key=key, ChecksumMode="ENABLED")
    except BucketFailed as error:
        if error.code in _GONE:
            return None
        raise
    # What the protocol's own framing leaves there on some servers says nothing of the bytes.
    encoding = found.get("ContentEncoding", "").replace("aws-chunked", "").strip(" ,")
    return Head(found["ContentLength"], encoding, found.get("ChecksumSHA256"), found.get("ChecksumCRC64NVME"))


def ends(key: str, size: int, number: int) -> bytes:
    """The first `number` bytes of an object of `size` bytes, and the last; all of a short one."""
    if size <= 2 * number:
        return b"".join(read(key))
    return b"".join([*read(key, 0, number - 1), *read(key, size - number, size - 1)])


def read(key: str, first: int | None = None, last: int | None = None) -> Iterator[bytes]:
    """The bytes of the object from `first` to `last`, both included, in pieces of at most 1 MiB."""
    named = {} if first is None else {"Range": f"bytes={first}-{last}"}
    with telling("read"):
        found = bucket_client().get_object(Bucket=get_settings().bucket, Key=key, **named)
        with closing(found["Body"]) as body:
            yield from body.iter_chunks(_CHUNK)


def fetch(key: str, target: Path) -> None:
    """Write the object into the file `target`."""
    with target.open("wb") as written:
        for chunk in read(key):
            written.write(chunk)


def keys_after(prefix: str, key: str, limit: int) -> list[str]:
    """At most `limit` keys with this prefix, in their order, after `key`."""
    named = {"Bucket": get_settings().bucket, "Prefix": prefix, "MaxKeys": limit}
    with telling("keys_after"):
        found = bucket_client().list_objects_v2(**named, StartAfter=key)
    return [each["Key"] for each in found.get("Contents", ())]


def remove(key: str) -> None:
    """Remove the object, and what arrived of parts of it. Nothing there is as well."""
    bucket = get_settings().bucket
    with telling("remove"):
        unfinished = bucket_client().list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", ())
    for each in unfinished:
        if each["Key"] == key:
            abort_parts(key, each["UploadId"])
    with telling("remove"):
        bucket_client().delete_object(Bucket=bucket, Key=key)


def abort_parts(key: str, upload_id: str) -> None:
    """End a multipart upload; what arrived of it is gone."""
    try:
        with telling("abort_parts"):
            bucket_client().abort_multipart_upload(Bucket=get_settings().bucket, Key=key, UploadId=upload_id)
    except BucketFailed as error:
        if error.code not in _GONE:
            raise
