"""Which pages may reach the bucket with presigned requests: the rules of its CORS configuration.

`template.yaml` has the same for AWS, `infra/localstack/bucket.sh` for LocalStack; tests hold them together.
"""

from collections.abc import Iterable
from typing import Any, Final

METHODS: Final = ["GET", "HEAD", "PUT"]
READING: Final = ["GET", "HEAD"]
EXPOSED: Final = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "x-amz-checksum-sha256",
    "x-amz-checksum-crc64nvme",
]
"""What a page reads of an answer: of what it has got, and the digests of what it has sent."""
MAX_AGE_SECONDS: Final = 600

_NOT_OFFERED: Final = frozenset({"NotImplemented", "MethodNotAllowed"})


def configuration(origins: Iterable[str]) -> dict[str, Any]:
    """The `CORSConfiguration` that lets pages of these origins send what presigned requests ask for.

    Every header is allowed: the signature names the ones that count. Any page may read what it has a link to,
    as a link is all that anybody needs: where page, functions and bucket have three origins, a browser that
    follows the redirect of a function to the bucket says that it comes from `null` (Fetch standard).
    """
    return {"CORSRules": [_rule(list(origins), METHODS), _rule(["*"], READING)]}


def _rule(origins: list[str], methods: list[str]) -> dict[str, Any]:
    return {
        "AllowedOrigins": origins,
        "AllowedMethods": methods,
        "AllowedHeaders": ["*"],
        "ExposeHeaders": EXPOSED,
        "MaxAgeSeconds": MAX_AGE_SECONDS,
    }


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
