"""One run over all files."""

import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from infra.corpus import hostile, judging, leaving
from infra.corpus.journey import Travelled, Traveller, Wrong
from infra.corpus.memory import Watch
from infra.corpus.stack import Running, StackFailed
from infra.corpus.summary import outcomes
from infra.local.resources import FAILURES

# The jobs are done one after the other: more of them only wait.
AT_ONCE: Final = 4
_PLAIN_EVERY: Final = 100


@dataclass
class Run:
    """What a run needs, and what it finds; `faults` are those of no file in particular."""

    folder: Path
    stack: Running
    traveller: Traveller
    watch: Watch
    travelled: list[Travelled] = field(default_factory=list)
    named: dict[Path, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def everything(self, sources: list[Path]) -> None:
        """The named files alone, then all others some at a time, then the end of them all."""
        started = time.monotonic()
        made = self.folder / "files" / "made-here"
        self._take(hostile.harmless(made), "harmless")
        self.named = hostile.make(made)
        for number, source in enumerate(self.named):
            self._take(source, f"hostile-{number}")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                self._take_all(sources, pool)
                self.seconds = time.monotonic() - started
                self.faults += leaving.leave(self.stack, self.traveller, self.travelled, pool)
            except (httpx.HTTPError, Wrong, StackFailed, *FAILURES) as error:
                self.faults.append(str(error) or type(error).__name__)
            finally:
                # Where somebody ends it by Ctrl-C, nothing new begins.
                pool.shutdown(wait=False, cancel_futures=True)
        self._judge()

    def _take_all(self, sources: list[Path], pool: Executor) -> None:
        numbered = [(source, f"{number:04}") for number, source in enumerate(sources)]
        under_way = [pool.submit(self._take, *each) for each in numbered]
        for number, each in enumerate(as_completed(under_way), 1):
            each.result()
            _show(number, len(sources), self.travelled)

    def _take(self, source: Path, name: str) -> None:
        travelled = self.traveller.take(source, self.folder / "stored" / name)
        judging.look(travelled)
        harmed = self.stack.harmed()
        travelled.faults += [f"the process {each} died of it, or of one beside it" for each in harmed]
        self.travelled.append(travelled)

    def _judge(self) -> None:
        self.travelled.sort(key=lambda each: (each.source not in self.named, each.source))
        self.notes.append(judging.second_opinion(self.travelled))
        self.faults += judging.measure(self.travelled, self.stack.logged("jobs"))
        for each in self.travelled:
            if each.source in self.named:
                judging.hold_to_the_least(each, self.named[each.source])
        most = max(self.watch.decoders.values(), default=0)
        if most > judging.LIMITS.memory_mb * judging.MEBIBYTE:
            self.faults.append(f"a decoder held {most / judging.MEBIBYTE:.0f} MiB")
        self.faults += [f"the process {name} is not the one that it was" for name in self.stack.harmed()]


def _show(number: int, total: int, travelled: list[Travelled]) -> None:
    wrong = sum(bool(each.faults) for each in travelled)
    line = f"{number:5} of {total}: {outcomes(travelled)}; {wrong} wrong"
    if sys.stdout.isatty():
        print(f"\r{line}\x1b[K", end="\n" if number == total else "", flush=True)
    elif number % _PLAIN_EVERY == 0 or number == total:
        print(line, flush=True)
