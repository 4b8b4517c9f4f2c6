"""What a killed supervisor left running."""

import signal
import time
from contextlib import suppress

import psutil

from infra.local.home import Home
from infra.local.state import Process, forget_stack, read_stack

PATIENCE = 5.0  # seconds


def clear(home: Home) -> list[str]:
    """End the children that the last record names and that still run; returns their names.

    On Linux the kernel has done so already. Called with the home's lock held, or by who knows that no
    supervisor runs.
    """
    stack = read_stack(home)
    if stack is None or stack.alive():
        return []
    left = {name: child for name, child in stack.children.items() if child.alive()}
    for name, child in left.items():
        child.signal(signal.SIGINT if name == "database" else signal.SIGTERM)
    for child in left.values():
        _end(child)
    forget_stack(home)
    return sorted(left)


def _end(child: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    with suppress(psutil.Error):
        process = psutil.Process(child.pid)
        with suppress(psutil.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    child.signal(signal.SIGKILL)
