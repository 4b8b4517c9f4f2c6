"""Which pages may reach the bucket with presigned requests: the rules of its CORS configuration.

`template.yaml` has the same for AWS, `infra/localstack/bucket.sh` for LocalStack; tests hold them together.
"""

from collections.abc import Iterable
from typing import Any, Final

METHODS: Final = ["GET", "HEAD", "PUT"]
EXPOSED: Final = ["ETag", "x-amz-checksum-sha256", "x-amz-checksum-crc64nvme"]
"""What a page reads of an answer: the digests of what it has sent."""
MAX_AGE_SECONDS: Final = 600

_NOT_OFFERED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})


def configuration(origins: Iterable[str]) -> dict[str, Any]:
    """The `CORSConfiguration` that lets pages of these origins send what presigned requests ask for.

    Every header is allowed: the signature names the ones that count.
    """
    rule = {
        "AllowedOrigins": list(origins),
        "AllowedMethods": METHODS,
        "AllowedHeaders": ["*"],
        "ExposeHeaders": EXPOSED,
        "MaxAgeSeconds": MAX_AGE_SECONDS,
    }
    return {"CORSRules": [rule]}


def allow(s3: Any, bucket: str, origins: Iterable[str]) -> bool:  # noqa: ANN401 - boto3's clients have no types
    """Write the rules; False where the server knows no CORS. Raises botocore's errors."""
    from botocore.exceptions import ClientError

    try:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=configuration(origins))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _NOT_OFFERED:
            raise
        return False
    return True
