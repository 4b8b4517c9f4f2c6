"""The child that starts cold: `{"module", "event", "folders"}` gives milliseconds of each part.

Only what every interpreter has loaded, or what each kind of start needs, is imported on top.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# What makes an application of what was imported; each is timed from outside, where it is the outermost.
CONSTRUCTION = {
    "hello": (("fastapi", "FastAPI.__init__"), ("fastapi.routing", "APIRoute.__init__")),
    "functions": (
        ("common.app", "create_app"),
        ("common.app", "lambda_handler"),
        ("fastapi.routing", "APIRoute.__init__"),
    ),
}


class Stopwatch:
    """Seconds spent in the outermost of the functions that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def wrap(self, module: str, path: str) -> None:
        """Time a function, by its module and its path in it."""
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: object, **options: object) -> object:
            self._depth += 1
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - started

        return timed


def start(module: str, event: dict[str, Any]) -> dict[str, Any]:
    """Import, construct, answer one event."""
    began, own = time.perf_counter(), time.process_time()
    constructing = Stopwatch()
    for place in CONSTRUCTION.get(module, CONSTRUCTION["functions"]):
        constructing.wrap(*place)
    handler = importlib.import_module(module).handler
    imported = time.perf_counter()
    status = handler(event, None)["statusCode"]
    answered, own = time.perf_counter(), time.process_time() - own
    if status != 200:
        raise AssertionError(f"{module} answered {status}")
    return {
        "import": (imported - began - constructing.seconds) * 1000,
        "construction": constructing.seconds * 1000,
        "first_request": (answered - imported) * 1000,
        "processor": own * 1000,
        "bytecode": os.path.exists(str(sys.modules[module].__cached__)),  # noqa: PTH110 - pathlib is no part of the start
    }


def main() -> None:
    """Answer one question; the log line of the request goes to standard error."""
    question = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = question["module"]
    sys.path[:0] = question.pop("folders")
    json.dump(start(**question), answers)


if __name__ == "__main__":
    main()
