from typing import Final

from common.functions import FUNCTIONS
from tests.parity.operations.calls import Operation, get, post

OPERATIONS: Final[dict[str, Operation]] = {
    "live": (get("/v1/health/live"), 200, post("/v1/health/live"), 405, "method_not_allowed"),
    # Nothing else runs beside the tests, so its success is in tests/functions/health with everything up.
    "ready": (post("/v1/health/ready"), 405, get("/v1/health/ready"), 503, "unavailable"),
} | {
    operation: (
        get(f"/v1/{function}/{path}"),
        200,
        post(f"/v1/{function}/{path}"),
        405,
        "method_not_allowed",
    )
    for function in FUNCTIONS
    for operation, path in ((f"{function}_livez", "livez"), (f"{function}_readyz", "readyz"))
}
