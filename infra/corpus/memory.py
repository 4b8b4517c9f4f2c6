"""How much memory the decoders hold, seen from outside: also of those that did not live to tell."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_DECODER: Final = b"functions.files.imaging.worker"
_EVERY_SECONDS: Final = 0.03


class Watch:
    """Looks at the children of some processes all the time, in a thread; Linux tells in /proc."""

    def __init__(self, parents: Iterable[int]) -> None:
        self.decoders: dict[int, int] = {}
        """The most bytes that each decoder held, by process id."""
        self.parents = dict.fromkeys(parents, 0)
        """The same of those that started them."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            for parent, most in self.parents.items():
                self.parents[parent] = max(most, _peak(parent))
                for child in _children(parent):
                    if child in self.decoders or _is_decoder(child):
                        self.decoders[child] = max(self.decoders.get(child, 0), _peak(child))


def _children(parent: int) -> Iterator[int]:
    # A child belongs to the thread that started it (proc(5)).
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, path.read_text().split())


def _is_decoder(pid: int) -> bool:
    with suppress(OSError):
        return _DECODER in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _peak(pid: int) -> int:
    """The most resident bytes since the process began, or forgot it; 0 where nobody tells."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
