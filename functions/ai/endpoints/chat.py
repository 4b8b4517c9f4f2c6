from typing import Annotated, Any, Final

from fastapi import Request
from starlette.responses import Response

from common.access import Principal, requires
from common.errors import Unavailable, problems
from common.ollama import (
    ModelFailed,
    ModelNotFound,
    ModelRefused,
    ModelServerBusy,
    ModelServerDown,
    ModelTooSlow,
)
from common.routing import Router
from functions.ai import chat
from functions.ai.demands import AnswerUnfit
from functions.ai.endpoints.streams import DESCRIBED, EventStream, while_connected
from functions.ai.json_schemas import SchemaRefused
from functions.ai.quotas import QuotaExceeded
from functions.ai.schemas import ChatCompletion, ChatRequest
from functions.ai.turns import AiBusy

router = Router(prefix="/v1/ai/chat/completions", tags=["ai"])

_REFUSALS: Final = (
    *(AnswerUnfit, ModelFailed, ModelNotFound, ModelRefused),
    *(ModelServerBusy, ModelServerDown, ModelTooSlow, SchemaRefused),
    *(AiBusy, QuotaExceeded, Unavailable),
)
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: DESCRIBED, **problems(*_REFUSALS)}


@router.post(
    "",
    operation_id="create_chat_completion",
    summary="Continue a conversation",
    response_model=ChatCompletion,
    responses=_RESPONSES,
)
async def create_chat_completion(
    body: ChatRequest, request: Request, principal: Annotated[Principal, requires("ai:use")]
) -> ChatCompletion | Response:
    """What the model answers, as OpenAI's `POST /chat/completions`: whole, or with `stream` as events.

    A client that leaves ends the generation. What goes wrong before the first token is told by the status;
    after it, or after ten seconds without one, by an event with `error`, which is then the last.

    An answer to a demand (`response_format`, a `tool_choice` that wants a call) is passed on once it is known
    to fit, in a stream too, where its reasoning comes before. One that does not fit is asked for again, once.

    Where nothing can be streamed, in a Lambda without its Web Adapter, the events come together at the end,
    and the header `X-Lambkin-Stream: buffered` says so.
    """
    if not body.stream:
        return await while_connected(request, chat.complete(body, principal))
    events = EventStream(chat.stream(body, principal), request)
    await events.first()
    return events
