"""Models to be pulled, as administrators ask for them."""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from common import audit
from common.database import AnyRow
from common.errors import Conflict, NotFound
from common.jobs import enqueue
from common.models import ModelPull
from common.pagination import Page, PageParameters
from functions.ai.repository import pulls as stored
from functions.ai.schemas.administration import PullCreate, PullRead

TASK: Final = "pull_models"
_NO_PULL: Final = "There is no such pull."


class PullExists(Conflict):
    """The model is on its way."""

    code = "pull_exists"
    detail = "This model is on its way already: `GET /v1/ai/pulls` has it."


class PullEnded(Conflict):
    """It is over."""

    code = "pull_ended"
    detail = "This pull is over: there is nothing to cancel."


def start_pull(session: Session, pull: PullCreate) -> PullRead:
    """Have a model pulled, once those before it are done. Raises PullExists."""
    made = stored.add_pull(session, pull.model)
    if made is None:
        raise PullExists
    enqueue(session, "ai", TASK)
    audit.record(session, "ai_model.pulled", subject_id=None, model=pull.model)
    return read(made)


def list_pulls(connection: Connection, page: PageParameters) -> Page[PullRead]:
    """A page of them, the newest first."""
    rows, next_cursor = stored.page_of_pulls(connection, page)
    return Page(items=[read(row) for row in rows], next_cursor=next_cursor)


def read_pull(connection: Connection, pull_id: UUID) -> PullRead:
    """One of them. Raises NotFound."""
    rows = stored.find_pulls(connection, [pull_id])
    if not rows:
        raise NotFound(_NO_PULL)
    return read(rows[0])


def cancel_pull(session: Session, pull_id: UUID) -> None:
    """End one; again is the same. Raises NotFound, PullEnded."""
    pull = stored.hold_pull(session, pull_id)
    if pull is None:
        raise NotFound(_NO_PULL)
    if pull.state == "cancelled":
        return
    if pull.state not in stored.OPEN:
        raise PullEnded
    stored.cancel(session, pull)
    audit.record(session, "ai_model.pull_cancelled", subject_id=None, model=pull.model)


def read(row: ModelPull | AnyRow) -> PullRead:
    """As it is told."""
    return PullRead.model_validate(row)
