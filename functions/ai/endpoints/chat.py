from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from common.access import requires
from common.errors import problems
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
from functions.ai.endpoints.streams import DESCRIBED, EventStream, while_connected
from functions.ai.schemas import ChatCompletion, ChatRequest

router = Router(prefix="/v1/ai/chat/completions", tags=["ai"])

_REFUSALS: Final = (ModelFailed, ModelNotFound, ModelRefused, ModelServerBusy, ModelServerDown, ModelTooSlow)
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: DESCRIBED, **problems(*_REFUSALS)}


@router.post(
    "",
    operation_id="create_chat_completion",
    summary="Continue a conversation",
    response_model=ChatCompletion,
    dependencies=[requires("ai:use")],
    responses=_RESPONSES,
)
async def create_chat_completion(body: ChatRequest, request: Request) -> ChatCompletion | Response:
    """What the model answers, as OpenAI's `POST /chat/completions`: whole, or with `stream` as events.

    A client that leaves ends the generation. What goes wrong before the first token is told by the status;
    after it, or after ten seconds without one, by an event with `error`, which is then the last. Where
    nothing can be streamed, in a Lambda without its Web Adapter, the events come together at the end, and
    the header `X-Lambkin-Stream: buffered` says so.
    """
    if not body.stream:
        return await while_connected(request, chat.complete(body))
    events = EventStream(chat.stream(body))
    await while_connected(request, events.first())
    return events
