#!/bin/sh
# Run by LocalStack whenever it has started, as it has forgotten its bucket then.
set -eu
awslocal s3api head-bucket --bucket "$BUCKET" 2> /dev/null || awslocal s3api create-bucket --bucket "$BUCKET"
