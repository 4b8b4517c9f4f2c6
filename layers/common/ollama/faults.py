"""What goes wrong with Ollama, as clients are told; the log has the reason, which is not for them.

ModelServerDown     503  nobody answers, or somebody else than Ollama
ModelServerBusy     503  its queue is full
ModelTooSlow        503  no first token, silence between two, or no end, in the time that settings give
ModelFailed         502  it broke its own protocol, died in mid-stream, or tells of an error of its own
ModelNotFound       404
ModelRefused        400  it understood, and the model cannot do that
"""

from common.errors import AppError, BadRequest, NotFound, Unavailable
from common.logs import get_logger

log = get_logger("common.ollama")


class ModelServerDown(Unavailable):
    """Nobody answers, or somebody else than Ollama.

    `repeatable`: nothing can have been produced, and asking again at once may help. `counts`: against Ollama,
    in the breaker.
    """

    code = "model_server_unavailable"
    detail = "The model server does not answer: try again shortly."
    repeatable: bool = False
    counts: bool = True


class ModelServerBusy(Unavailable):
    """Its queue is full."""

    code = "model_server_busy"
    detail = "The model server has too much to do: try again shortly."


class ModelTooSlow(Unavailable):
    """It took longer than the settings allow."""

    code = "model_too_slow"
    detail = "The model took too long: try again, or ask for less."


class ModelFailed(AppError):
    """It broke its own protocol, died, or tells of an error of its own."""

    status = 502
    code = "model_failed"
    detail = "The model server failed to answer: try again."


class ModelNotFound(NotFound):
    """It has no such model."""

    code = "model_not_found"
    detail = "There is no such model: `GET /v1/ai/models` lists those that there are."


class ModelRefused(BadRequest):
    """It understood, and the model cannot do that."""

    code = "model_refused"
    detail = "The model cannot do what was asked."


def down(reason: str, *, repeatable: bool = False, counts: bool = True) -> ModelServerDown:
    """Log why, and give what to raise."""
    log.warning("ollama_unavailable", reason=reason)
    found = ModelServerDown(retry_after=5)
    found.repeatable, found.counts = repeatable, counts
    return found


def busy() -> ModelServerBusy:
    """Log it, and give what to raise."""
    log.warning("ollama_busy")
    return ModelServerBusy(retry_after=5)


def too_slow(reason: str) -> ModelTooSlow:
    """Log what took so long, and give what to raise."""
    log.warning("ollama_too_slow", reason=reason)
    return ModelTooSlow(retry_after=5)


def failed(reason: str) -> ModelFailed:
    """Log why, and give what to raise."""
    log.warning("ollama_failed", reason=reason)
    return ModelFailed()
