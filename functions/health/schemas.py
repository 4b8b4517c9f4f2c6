from typing import Literal

from pydantic import Field

from common.health import ProbeReport
from common.schemas import ResponseModel


class Liveness(ResponseModel):
    """The process answers."""

    state: Literal["ok"] = "ok"


class Readiness(ResponseModel):
    """What works and what does not."""

    state: Literal["ok", "degraded", "unavailable"] = Field(
        description="`unavailable` (with 503) only where nothing useful works; `degraded` otherwise."
    )
    probes: list[ProbeReport] = Field(description="The shared parts: database, bucket, queue, mail, Ollama.")
    functions: list[ProbeReport] = Field(description="Each function, asked for its own readiness.")
