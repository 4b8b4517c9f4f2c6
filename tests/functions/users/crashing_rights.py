"""A handler of a real job that stops at a named point, where it is killed.

The points are injected here, by wrapping what the handler calls.
"""

from importlib import import_module
from typing import Any, Final
from uuid import UUID

import common.jobs.events
from common import accounts, bucket
from common.jobs import JobContext
from functions.auth import personal_data as of_auth
from functions.users import archives, erasure
from functions.users import personal_data as of_users
from tests.common.jobs.crashing_handler import wrap
from tests.common.jobs.wake_ups import as_event

# Of each function and task, where its handler is killed.
POINTS: Final[dict[tuple[str, str], dict[str, tuple[Any, str, str]]]] = {
    ("users", "erase_account"): {
        "begun": (erasure, "begin_for", "after"),
        "committed": (JobContext, "finish_with", "after"),
    },
    ("auth", "erase_person"): {
        "half-way": (accounts, "delete_sessions", "before"),
        "erased": (of_auth, "erase", "after"),
    },
    ("users", "erase_person"): {
        "before the bucket": (archives, "remove", "before"),
        "after the bucket": (archives, "remove", "after"),
        "erased": (of_users, "erase", "after"),
    },
    ("users", "finish_erasure"): {
        "half-way": (accounts, "leave_tombstone", "before"),
        "emptied": (accounts, "leave_tombstone", "after"),
        "committed": (JobContext, "finish_with", "after"),
        "before the acknowledgement": (common.jobs.events, "handle", "after"),
    },
    ("auth", "export_person"): {
        "collected": (of_auth, "collect", "after"),
    },
    ("users", "assemble_export"): {
        "before the bucket": (bucket, "put", "before"),
        "after the bucket": (bucket, "put", "after"),
        "completed": (archives, "_complete", "after"),
        "committed": (JobContext, "finish_with", "after"),
    },
}


def handle(function: str, task: str, point: str, job_id: str) -> None:
    """Handle one message, and stop at this point."""
    wrap(*POINTS[function, task][point])
    import_module(f"functions.{function}.jobs").tasks.handler(as_event(UUID(job_id), function=function))
