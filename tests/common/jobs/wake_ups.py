"""Messages as the events that Lambda makes of them."""

import json
import uuid
from typing import Any


def as_record(body: str, message_id: str | None = None) -> dict[str, Any]:
    """A message as Lambda delivers it, in the members that are read."""
    return {"messageId": message_id or str(uuid.uuid4()), "body": body, "eventSource": "aws:sqs"}


def as_event(*job_ids: uuid.UUID, function: str = "worker") -> dict[str, Any]:
    """A batch of wake-ups."""
    bodies = [json.dumps({"job_id": str(job_id), "function": function}) for job_id in job_ids]
    return {"Records": [as_record(body) for body in bodies]}
