"""What Lambda gives a handler beside the event."""

import time
import uuid
from dataclasses import dataclass, field

MEMORY_MB = 512
TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class LambdaContext:
    """The documented members of Lambda's Python context object, for one invocation."""

    function_name: str
    timeout: float = TIMEOUT
    function_version: str = "$LATEST"
    memory_limit_in_mb: str = str(MEMORY_MB)
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    identity: None = None
    client_context: None = None
    _started: float = field(default_factory=time.monotonic, repr=False)

    @property
    def invoked_function_arn(self) -> str:
        """As in the emulator's account."""
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """Where CloudWatch would keep the log."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """Of one instance; there is one at a time here."""
        return "local"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would end the invocation."""
        return max(0, round((self.timeout - (time.monotonic() - self._started)) * 1000))


def environment_of(function_name: str) -> dict[str, str]:
    """The variables that tell code that it runs in Lambda."""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
    }
