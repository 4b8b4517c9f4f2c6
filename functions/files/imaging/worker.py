"""The child: `python -m functions.files.imaging.worker`, one job a line, one answer a line.

It needs no shared memory and writes only into the folder of its job. What it may take is set for each
job, on top of which its parent watches the clock.
"""

import contextlib
import ctypes
import errno
import gc
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from functions.files.imaging import processing, protocol, transforming
from functions.files.imaging.limits import MEBIBYTE, Limits
from functions.files.imaging.outcomes import Processed, Rejected, Transformed
from functions.files.imaging.subprocesses import LAST, REUSABLE

# What a job may leave behind before the child is replaced.
_GROWTH_BYTES: Final = 128 * MEBIBYTE
_DESCRIPTORS: Final = 64
_SLACK_BYTES: Final = MEBIBYTE
_NOT_OF_THE_FILE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENOENT}
_OPERATIONS: Final[dict[str, Callable[..., Processed | Transformed]]] = {
    "process": processing.process,
    "transform": transforming.transform,
}
_PR_SET_NO_NEW_PRIVS: Final = 38


def main() -> None:
    """Answer until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    _confine()
    # What was imported stays: collecting after each job need not look at it.
    gc.collect()
    gc.freeze()
    started_with = _resident()
    answers.write(REUSABLE + b"\n")
    for line in sys.stdin.buffer:
        answer, reusable = _answer(line)
        gc.collect()
        _give_back()
        reusable = reusable and _resident() < started_with + _GROWTH_BYTES
        answers.write((REUSABLE if reusable else LAST) + protocol.dump(answer))
        if not reusable:
            break


def _confine() -> None:
    """Nothing of what a library prints goes anywhere; no core dumps, few files, no new privileges."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _answer(line: bytes) -> tuple[dict[str, Any], bool]:
    """What a job came to, and whether this process may have another."""
    operation, arguments = protocol.request(line)
    _bound(arguments["limits"], arguments["source"])
    _forget_peak()
    try:
        made = _OPERATIONS[operation](**arguments)
    except Rejected as rejected:
        return _rejected(rejected), rejected.code != "memory"
    except MemoryError:
        return _rejected(Rejected("memory")), False
    except OSError as error:
        return _of_system(error), True
    except Exception as error:  # noqa: BLE001 - a file that finds a fault in us is rejected like any other
        return _rejected(Rejected("crashed", f"The decoder failed on it ({_where(error)}).")), False
    return {"made": made, "peak": _peak()}, True


def _of_system(error: OSError) -> dict[str, Any]:
    if error.errno == errno.EFBIG:
        return _rejected(Rejected("output"))
    if error.errno == errno.ENOMEM:
        return _rejected(Rejected("memory"))
    if error.errno in _NOT_OF_THE_FILE:
        return {"unavailable": f"{os.strerror(error.errno)}.", "peak": _peak()}
    return _rejected(Rejected("damaged"))


def _rejected(rejected: Rejected) -> dict[str, Any]:
    return {"rejected": {"code": rejected.code, "detail": rejected.detail}, "peak": _peak()}


def _where(error: Exception) -> str:
    """The error's class and the place: enough to find it, and nothing of what the file holds."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"


def _bound(limits: Limits, source: Path) -> None:
    """What this job may take; the hard bounds stay, as the next job has others."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Whole seconds is all that the system knows here; the parent is exact.
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds) + 2
    # A cleaned original is about as long as its source.
    with contextlib.suppress(OSError):
        length = max(limits.output_bytes, source.stat().st_size + _SLACK_BYTES)
        _lower(resource.RLIMIT_FSIZE, length)
    _lower(resource.RLIMIT_CPU, seconds)
    # Not every system knows this one: macOS refuses it.
    with contextlib.suppress(ValueError):
        _lower(resource.RLIMIT_AS, limits.memory_mb * MEBIBYTE)


def _lower(which: int, bound: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


def _status(name: str) -> int:
    """A field of /proc/self/status in bytes; 0 where there is none."""
    with contextlib.suppress(OSError), Path("/proc/self/status").open() as status:
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    """Let the peak count from here, where the system allows it (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _give_back() -> None:
    """Return what the last job held to the system, where the C library can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
