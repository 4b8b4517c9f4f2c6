import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path
from starlette.responses import StreamingResponse

from common.access import requires
from common.database import Db, Reading, in_reading
from common.errors import NotFound, Unavailable, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from common.settings import IN_LAMBDA
from functions.ai import pulls, watching
from functions.ai.endpoints.streams import AT_ONCE
from functions.ai.pulls import PullEnded, PullExists
from functions.ai.schemas.administration import PullCreate, PullRead

router = Router(prefix="/v1/ai/pulls", tags=["ai"])

_ADMINISTRATORS = requires("ai:admin", live=True)
PullId = Annotated[UUID, Path(description="The id of a pull.")]

_QUIET_SECONDS: Final = 10.0
_STREAMS: Final = not IN_LAMBDA or "AWS_LWA_INVOKE_MODE" in os.environ
_EXAMPLE: Final = (
    'event: progress\ndata: {"id":"01890a5d-ac96-774b-bcce-b302099a8057","model":"llama3.2:3b",'
    '"state":"running","status":"pulling dde5aa3fc5ff","completed":1048576,"total":2019393189}\n\n'
)
_DESCRIBED: Final[dict[str, Any]] = {
    "description": "`progress` events, and one `end` where it is over; each has the pull as its data.",
    "content": {"text/event-stream": {"schema": {}, "example": _EXAMPLE}},
}


@router.get(
    "",
    operation_id="list_pulls",
    summary="List pulls",
    dependencies=[_ADMINISTRATORS],
    responses=problems(BrokenCursor),
)
def list_pulls(page: PageQuery, db: Reading) -> Page[PullRead]:
    """Models that are, or were, on their way to Ollama; the newest first."""
    return pulls.list_pulls(db, page)


@router.post(
    "",
    status_code=201,
    operation_id="create_pull",
    summary="Pull a model",
    dependencies=[_ADMINISTRATORS, Idempotent],
    responses=problems(PullExists),
)
def create_pull(body: PullCreate, db: Db) -> PullRead:
    """Have Ollama fetch a model, or a newer version of it. One is pulled at a time, the others wait."""
    return pulls.start_pull(db, body)


@router.get(
    "/{pull_id}",
    operation_id="read_pull",
    summary="Read a pull",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound),
)
def read_pull(pull_id: PullId, db: Reading) -> PullRead:
    """How far it has come."""
    return pulls.read_pull(db, pull_id)


@router.get(
    "/{pull_id}/events",
    operation_id="watch_pull",
    summary="Look on while a model is pulled",
    response_class=StreamingResponse,
    dependencies=[_ADMINISTRATORS],
    responses={200: _DESCRIBED, **problems(NotFound, Unavailable)},
)
async def watch_pull(pull_id: PullId) -> StreamingResponse:
    """Its progress as server-sent events, about one a second, whatever process pulls it.

    It ends with the pull, or after four minutes: ask again then, as a browser's EventSource does. Where
    nothing can be streamed, it is one event: how it is now.
    """
    now = await in_reading(lambda connection: pulls.read_pull(connection, pull_id))
    return StreamingResponse(_events(now), media_type="text/event-stream", headers=AT_ONCE)


@router.delete(
    "/{pull_id}",
    status_code=204,
    operation_id="cancel_pull",
    summary="Cancel a pull",
    dependencies=[_ADMINISTRATORS],
    responses=problems(NotFound, PullEnded),
)
def cancel_pull(pull_id: PullId, db: Db) -> None:
    """End it within seconds. What has come by then is not fetched again, should it be pulled later."""
    pulls.cancel_pull(db, pull_id)


async def _events(now: PullRead) -> AsyncIterator[bytes]:
    async with aclosing(watching.changes(now, _QUIET_SECONDS)) as changes:
        async for pull in changes:
            yield b": nothing new\n\n" if pull is None else _event(pull)
            if not _STREAMS:
                return


def _event(pull: PullRead) -> bytes:
    kind = "end" if pull.finished_at else "progress"
    return f"event: {kind}\ndata: {pull.model_dump_json()}\n\n".encode()
