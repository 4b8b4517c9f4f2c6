"""`make bench`: each figure as a ratio to a reference of the same run.

python -m infra.bench [mangum] [http] [cold] [profile] [--quick] [--verbose] [--json FILE]
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.bench import cold, served, shares, warm
from infra.bench.figures import Result, table, write_json
from infra.bench.rig import BenchFailed, Rig, open_rig

MEASURES = ("mangum", "http", "cold", "profile")


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


def _run(
    rig: Rig, options: argparse.Namespace, progress: Callable[[str], None], show: Callable[[Result], None]
) -> None:
    chosen, quick = options.measures or MEASURES, options.quick
    accounts = rig.ask("seed", {"accounts": served.CROWD})
    if "mangum" in chosen:
        progress("warm calls through Mangum")
        show(
            warm.measure(
                rig,
                accounts,
                processes=1 if quick else 5,
                rounds=2 if quick else 12,
                calls=10 if quick else 50,
            )
        )
    if "http" in chosen:
        show(
            served.measure(
                rig, accounts, rounds=1 if quick else 4, seconds=0.2 if quick else 1.5, progress=progress
            )
        )
    if "cold" in chosen:
        rounds = 1 if quick else 10
        show(cold.measure(rig, accounts, rounds=rounds, verbose=options.verbose, progress=progress))
    if "profile" in chosen:
        progress("where the time of GET /users/me goes")
        show(shares.measure(rig, accounts, calls=20 if quick else 2000))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a child failed, 130 after Ctrl-C."""
    options = _arguments(arguments)
    started = time.monotonic()
    results: list[Result] = []

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text} …", file=sys.stderr, flush=True)

    def show(result: Result) -> None:
        results.append(result)
        print(f"\n{table(result)}\n", flush=True)

    try:
        with open_rig(progress) as rig:
            _run(rig, options, progress, show)
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
