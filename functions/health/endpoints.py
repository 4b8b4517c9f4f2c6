from common.errors import Unavailable, problems
from common.routing import Router
from functions.health import service
from functions.health.schemas import Liveness, Readiness

router = Router(prefix="/v1/health", tags=["health"])


@router.get("/live", operation_id="live", summary="Does it answer at all?")
async def live() -> Liveness:
    """Answer without a look at anything else."""
    return Liveness()


@router.get(
    "/ready", operation_id="ready", summary="What works, and what does not?", responses=problems(Unavailable)
)
async def ready() -> Readiness:
    """Probe everything, each part in at most 2 s: its state, its latency, a hint where it fails."""
    return await service.readiness()
