"""One Lambda instance of one function: a process that answers one event at a time.

    python -m infra.local.instance functions.auth.app lambkin-auth

The first line on standard output is `{"ready": true}`, or an error where the function cannot be imported.
Then each line on standard input is an event as JSON, each line on standard output its answer:
`{"result": ...}`, or `{"error": ..., "trace": ...}`. It ends with its input. What the function prints goes to
standard error.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from infra.local.lambda_context import LambdaContext


def main() -> None:
    """Import the handler, then answer until the input ends."""
    module, function_name = sys.argv[1:3]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        handler = importlib.import_module(module).handler
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module that is being edited may raise anything
        answers.write(_failure(error))
        return
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        answers.write(_answer(handler, function_name, line))


def _answer(handler: Callable[[Any, Any], Any], function_name: str, line: str) -> str:
    try:
        result = handler(json.loads(line), LambdaContext(function_name))
        return json.dumps({"result": result}) + "\n"
    except Exception as error:  # noqa: BLE001 - Lambda answers 502 whatever the handler raised
        return _failure(error)


def _failure(error: BaseException) -> str:
    trace = "".join(traceback.format_exception(error))
    return json.dumps({"error": f"{type(error).__name__}: {error}", "trace": trace}) + "\n"


if __name__ == "__main__":
    main()
