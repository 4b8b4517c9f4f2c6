#!/bin/bash
# How `ai` starts in a Lambda with AiStreaming: as the server that Lambda's Web Adapter asks on loopback. The
# adapter's wrapper runs this in place of Lambda's own runtime, whose search path is made here: the artifact,
# the layer, and what the runtime brings, such as boto3.
set -euo pipefail
task="${LAMBDA_TASK_ROOT:-/var/task}"
export PYTHONPATH="$task:/opt/python${PYTHONPATH:+:$PYTHONPATH}"
cd "$task"
# Neither site-packages nor the current folder: what is on the path is what is above. Whom it believes, the
# function decides itself. The adapter keeps its connections for 4 s, and a Lambda may be frozen between two.
exec python3.13 -S -P -m uvicorn functions.ai.app:app \
	--host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" --lifespan off --log-level warning --no-access-log \
	--no-server-header --no-proxy-headers --timeout-keep-alive 75
