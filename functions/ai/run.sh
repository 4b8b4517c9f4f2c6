#!/bin/bash
# How `ai` starts in a Lambda with AiStreaming: as the server that Lambda's Web Adapter asks on loopback. The
# adapter's wrapper runs this in place of Lambda's own runtime, whose search path is made here: the artifact,
# the layer, and what the runtime brings, such as boto3.
set -euo pipefail
task="${LAMBDA_TASK_ROOT:-/var/task}"
export PYTHONPATH="$task:/opt/python${PYTHONPATH:+:$PYTHONPATH}"
cd "$task"
# Neither site-packages nor the current folder: what is on the path is what is above.
exec python3.13 -S -P -m functions.ai.serving
