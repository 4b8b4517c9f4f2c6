"""What strangers ask for with an address: a job, so that the request does the same for every address."""

from typing import Any

from sqlalchemy.orm import Session

from common.context import current_context
from common.jobs import JobContext, enqueue


def ask(session: Session, task: str, **secret: Any) -> None:  # noqa: ANN401 - any JSON
    """Enqueue a task of `auth` that knows where it was asked from. All of it is encrypted at rest."""
    context = current_context()
    origin = {"client_address": context.client_address, "user_agent": context.user_agent}
    enqueue(session, "auth", task, secret={**secret, "origin": origin})


def take_origin(job: JobContext) -> None:
    """Have what the job does audited as coming from where it was asked."""
    context, origin = current_context(), job.secret.get("origin", {})
    context.client_address = origin.get("client_address", "")
    context.user_agent = origin.get("user_agent", "")
