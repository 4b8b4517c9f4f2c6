"""The parent's side of the child that decodes. Cheap to import: no imaging library.

A child is started before it is needed, does one job at a time, and is replaced after some jobs, when its
memory grew, or when it died. It knows nothing but the two paths of its job: neither the environment nor
the open files of its parent.
"""

import contextlib
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from functions.files.imaging import protocol
from functions.files.imaging.limits import Limits
from functions.files.imaging.outcomes import (
    DecoderUnavailable,
    Processed,
    Rejected,
    Rendition,
    Transformed,
    TransformSpec,
)
from functions.files.imaging.subprocesses import Child, Died, Late

__all__ = [
    "Decoder",
    "DecoderUnavailable",
    "Limits",
    "Processed",
    "Rejected",
    "Rendition",
    "TransformSpec",
    "Transformed",
]

# Beyond what the child itself stops at: it says so more exactly.
_GRACE_SECONDS: Final = 1.0
_BY_SIGNAL: Final = {
    signal.SIGXCPU: "time",
    # Nobody else kills it without asking: the machine had no memory left.
    signal.SIGKILL: "memory",
}


class Decoder:
    """Decodes files in a child process. Thread-safe; calls wait for one another, as there is one child.

    One of them belongs to the process that made it: make it after any fork. What a rejected file left in the
    folder of its job is the caller's to remove, as is everything else there.

    The constructor starts the child and returns at once. `jobs` is how many a child does before it is
    replaced.
    """

    def __init__(self, *, jobs: int = 100) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._closed = False
        self._start()

    def process(self, source: Path, into: Path, limits: Limits, *, keep_metadata: bool = False) -> Processed:
        """Look at a file, remove its private metadata, make its renditions, all of it in `into`.

        Raises Rejected where nothing can be made of the file, DecoderUnavailable where it is not the
        file's fault.
        """
        arguments = {"limits": asdict(limits), "keep_metadata": keep_metadata}
        return self._ask("process", (source, into), arguments, limits, Processed)

    def transform(self, source: Path, into: Path, spec: TransformSpec, limits: Limits) -> Transformed:
        """Make one picture of an image or of a document's first page, in the folder `into`.

        Raises as `process`.
        """
        arguments = {"limits": asdict(limits), "spec": asdict(spec)}
        return self._ask("transform", (source, into), arguments, limits, Transformed)

    @property
    def pid(self) -> int | None:
        """The child that has the next job; None where none is ready."""
        child = self._child
        return child.pid if child is not None else None

    def close(self) -> None:
        """End the child; a job in progress is waited for. What is asked later raises DecoderUnavailable."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask[Outcome: (Processed, Transformed)](
        self,
        operation: str,
        paths: tuple[Path, Path],
        arguments: dict[str, Any],
        limits: Limits,
        shape: type[Outcome],
    ) -> Outcome:
        # The child stands elsewhere.
        source, into = (path.absolute() for path in paths)
        paths_and_more = {"source": source, "into": into} | arguments
        line = protocol.dump({"operation": operation, "arguments": paths_and_more})
        if len(line) > protocol.MAX_LINE:
            raise DecoderUnavailable("The paths are too long.")
        with self._lock:
            child = self._ready()
            keep = False
            try:
                reply = child.ask(line, limits.seconds + _GRACE_SECONDS)
                keep = reply.reusable and child.jobs < self._jobs
                return protocol.answer(reply.line, shape, into)
            except Late:
                raise Rejected("time") from None
            except Died as death:
                raise Rejected(_BY_SIGNAL.get(death.by, "crashed") if death.by else "crashed") from None
            except protocol.Nonsense:
                keep = False
                raise Rejected("crashed") from None
            finally:
                if not keep:
                    self._drop()
                    # Now rather than at the next job, which would wait for it.
                    self._start()

    def _ready(self) -> Child:
        """A child that waits for a job. Raises DecoderUnavailable."""
        if self._closed:
            raise DecoderUnavailable("The decoder is closed.")
        if self._child is not None and not self._child.alive:
            self._drop()
        if self._child is None:
            self._start()
        child = self._child
        if child is None or not child.wait_until_ready():
            self._drop()
            raise DecoderUnavailable("The decoder does not start.")
        return child

    def _start(self) -> None:
        # Where it cannot be started now, the next job tries again, and says so.
        with contextlib.suppress(OSError):
            self._child = Child.start()

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
