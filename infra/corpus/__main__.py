"""`make corpus`: real and hostile images of other projects through the decoder, and a page to see them."""

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from infra.corpus import fetching, judging, sheet
from infra.local.home import PROJECT

FOLDER = PROJECT / "build" / "corpus"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, process, judge; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m infra.corpus", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="Where everything lies.")
    folder = parser.parse_args(arguments).folder.resolve()
    for name in ("files", "made"):
        shutil.rmtree(folder / name, ignore_errors=True)
    print("Fetching what is not there yet …", flush=True)
    try:
        archives = fetching.fetch(folder / "archives")
    except fetching.FetchFailed as error:
        print(error, file=sys.stderr)
        return 1
    sources = fetching.unpack(archives, folder / "files")
    print(f"{len(sources)} files of {', '.join(path.name for path in archives)}", flush=True)
    started = time.monotonic()
    verdicts = list(judging.judge(sources, folder / "made"))
    note = judging.second_opinion(verdicts)
    sheet.write(verdicts, folder / "index.html", [note])
    print(note)
    return _told(verdicts, time.monotonic() - started, folder / "index.html")


def _told(verdicts: list[judging.Verdict], seconds: float, page: Path) -> int:
    outcomes = Counter("ready" if each.rejected is None else each.rejected.code for each in verdicts)
    for outcome, count in outcomes.most_common():
        print(f"{count:6}  {outcome}")
    slowest = max(verdicts, key=lambda each: each.seconds)
    largest = max(verdicts, key=lambda each: each.peak_bytes)
    print(f"The slowest took {slowest.seconds:.1f} s: {slowest.source.name}")
    print(f"The most memory was {largest.peak_bytes / 1024 / 1024:.0f} MiB: {largest.source.name}")
    wrong = [each for each in verdicts if each.faults]
    for each in wrong:
        print(f"WRONG {each.source.name}: {'; '.join(each.faults)}")
    print(f"{len(verdicts)} files in {seconds:.0f} s, {len(wrong)} wrong. The contact sheet is {page}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
