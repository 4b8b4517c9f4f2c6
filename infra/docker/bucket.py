"""Make the bucket where a server with a volume keeps it: `python -m infra.docker.bucket`.

LocalStack forgets its own at each start, and makes it anew by infra/localstack/bucket.sh.
"""

import os
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from common.aws import aws_client
from common.settings import get_settings
from infra import bucket_cors

FORGETFUL = "localstack"
PUBLIC_KEY = "test"


def main() -> None:
    """Make it if it is not there. Ends with a sentence where the functions would use another server."""
    settings = get_settings()
    endpoint = settings.aws_endpoint or ""
    if urlsplit(endpoint).hostname == FORGETFUL:
        sys.exit(
            "COMPOSE_PROFILES has `selfhost`, but AWS_ENDPOINT_URL still leads to LocalStack, which forgets "
            "every file when it restarts. Set AWS_ENDPOINT_URL=http://versitygw:7070."
        )
    if os.environ.get("AWS_SECRET_ACCESS_KEY") == PUBLIC_KEY:
        sys.exit(
            "The bucket's secret key is the one that everybody knows: whoever reaches the gateway could sign "
            "requests for everybody's files. Set BUCKET_SECRET_KEY, for example to `openssl rand -hex 32`."
        )
    s3 = aws_client("s3", timeout_seconds=10)
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=settings.bucket)
    s3.head_bucket(Bucket=settings.bucket)
    print(f"The bucket {settings.bucket} is at {endpoint}.")
    if not bucket_cors.allow(s3, settings.bucket, settings.allowed_origins):
        print("It knows no CORS: pages of another origin cannot upload to it, nor read from it.")


if __name__ == "__main__":
    main()
