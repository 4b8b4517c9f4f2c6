"""`make bench`: each figure as a ratio to a reference of the same run.

python -m infra.bench [MEASURE...] [--quick] [--verbose] [--json FILE]
"""

import argparse
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bench import (
    ai,
    bearers,
    cold,
    emulated,
    file_lists,
    images,
    lists,
    pictures,
    served,
    shares,
    sign_ins,
    uploads,
    warm,
)
from infra.bench.figures import Result, table, write_json
from infra.bench.rig import BenchFailed, Rig, open_rig

MEASURES = (
    "mangum",
    "http",
    "sign-ins",
    "keys",
    "lists",
    "file-lists",
    "images",
    "pictures",
    "uploads",
    "ai",
    "cold",
    "profile",
)
# Where only running matters, hashes are cheap: 32 real ones at once are 8 s of a processor.
CHEAP = {"PASSWORD_HASH_KIB": "8", "PASSWORD_HASH_PASSES": "1"}
MANY = 1_000_000
# Those that ask a server for so many seconds a round.
SERVED = {"http": (served.measure, 1.5), "sign-ins": (sign_ins.measure, 4.0), "keys": (bearers.measure, 1.5)}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.bench", description="Measure; all by default.")
    parser.add_argument("measures", nargs="*", metavar="|".join(MEASURES), help="What to measure.")
    parser.add_argument("--quick", action="store_true", help="Does it run? The figures mean nothing.")
    parser.add_argument("--verbose", action="store_true", help="Also what each import costs.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures here as well.")
    parsed = parser.parse_args(arguments)
    unknown = set(parsed.measures) - set(MEASURES)
    if unknown:
        parser.error(f"there is no measure {', '.join(sorted(unknown))}")
    return parsed


@dataclass(frozen=True)
class Run:
    """One run of the bench, measure by measure."""

    rig: Rig
    quick: bool
    verbose: bool
    progress: Callable[[str], None]

    def results(self, chosen: Collection[str]) -> Iterator[Result]:
        """What was chosen, in the order of MEASURES."""
        if self.quick:
            self.rig.environment |= CHEAP
        question = {"accounts": served.CROWD, "password": sign_ins.PASSWORD}
        accounts = self.rig.ask("seed", question)
        # Databases are copied before the first server connects.
        few_and_many = self._filled() if "lists" in chosen else None
        shelves = self._shelves(accounts) if "file-lists" in chosen else None
        if "mangum" in chosen:
            yield self._mangum(accounts)
        for name, (measure, seconds) in SERVED.items():
            if name in chosen:
                yield measure(self.rig, accounts, progress=self.progress, **self._bounds(4, seconds))
        if few_and_many is not None:
            yield lists.measure(few_and_many, accounts, progress=self.progress, **self._bounds(5, 1.0))
        if shelves is not None:
            yield file_lists.measure(shelves, progress=self.progress, **self._turns(5, 10))
        yield from self._of_files(chosen, accounts)
        if "ai" in chosen:
            yield from ai.measure(self.rig, accounts, quick=self.quick, progress=self.progress)
        if "cold" in chosen:
            rounds = 1 if self.quick else 10
            yield cold.measure(
                self.rig, accounts, rounds=rounds, verbose=self.verbose, progress=self.progress
            )
        if "profile" in chosen:
            self.progress("where the time of GET /users/me goes")
            yield shares.measure(self.rig, accounts, calls=20 if self.quick else 2000)

    def _of_files(self, chosen: Collection[str], accounts: Sequence[dict[str, str]]) -> Iterator[Result]:
        if "images" in chosen:
            bounds: dict[str, Any] = {"rounds": 1, "megapixels": [1]} if self.quick else {"rounds": 6}
            yield images.measure(self.rig, progress=self.progress, **bounds)
        if {"pictures", "uploads"}.isdisjoint(chosen):
            return
        rig = emulated.with_bucket(self.rig, self.progress)
        if "pictures" in chosen:
            yield pictures.measure(rig, accounts, progress=self.progress, **self._turns(6, 60))
        if "uploads" in chosen:
            yield uploads.measure(rig, accounts, progress=self.progress, **self._turns(6, 4))

    def _bounds(self, rounds: int, seconds: float) -> dict[str, Any]:
        return {"rounds": 1, "seconds": 0.2} if self.quick else {"rounds": rounds, "seconds": seconds}

    def _turns(self, rounds: int, calls: int) -> dict[str, Any]:
        return {"rounds": 1, "calls": 1} if self.quick else {"rounds": rounds, "calls": calls}

    def _shelves(self, accounts: Sequence[dict[str, str]]) -> file_lists.Shelves:
        many = 2 * file_lists.FEW if self.quick else MANY
        return file_lists.prepare(self.rig, accounts, many, self.progress)

    def _filled(self) -> tuple[Rig, Rig]:
        return lists.prepare(self.rig, 2 * lists.FEW if self.quick else MANY, self.progress)

    def _mangum(self, accounts: Sequence[dict[str, str]]) -> Result:
        self.progress("warm calls through Mangum")
        if self.quick:
            return warm.measure(self.rig, accounts, processes=1, rounds=2, calls=10)
        return warm.measure(self.rig, accounts, processes=5, rounds=12, calls=50)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a child failed, 130 after Ctrl-C."""
    options = _arguments(arguments)
    started = time.monotonic()
    results: list[Result] = []

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text} …", file=sys.stderr, flush=True)

    try:
        with open_rig(progress) as rig:
            run = Run(rig, options.quick, options.verbose, progress)
            for result in run.results(options.measures or MEASURES):
                results.append(result)
                print(f"\n{table(result)}\n", flush=True)
    except BenchFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        write_json(options.json, results)
    print(f"Measured in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
