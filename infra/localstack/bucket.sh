#!/bin/sh
# Run by LocalStack whenever it has started, as it has forgotten its bucket then.
set -eu
awslocal s3api head-bucket --bucket "$BUCKET" 2> /dev/null || awslocal s3api create-bucket --bucket "$BUCKET"
# As infra/bucket_cors.py has it: which pages may reach the bucket with presigned requests.
origins=$(printf '%s' "$CORS_ORIGINS" | sed 's/ *, */","/g')
rest='"AllowedHeaders": ["*"], "MaxAgeSeconds": 600, "ExposeHeaders": ["Accept-Ranges", "Content-Disposition",
	"Content-Range", "ETag", "x-amz-checksum-sha256", "x-amz-checksum-crc64nvme"]'
awslocal s3api put-bucket-cors --bucket "$BUCKET" --cors-configuration '{"CORSRules": [
	{"AllowedOrigins": ["'"$origins"'"], "AllowedMethods": ["GET", "HEAD", "PUT"], '"$rest"'},
	{"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD"], '"$rest"'}
]}'
