"""`make corpus`: real and hostile images of others through the whole stack, and a page to see them.

Each file is uploaded by somebody who has signed in, becomes `ready` or `rejected` by its job, and is read
back from the bucket. Exit code 1 where anything was wrong, 2 where it could not be tried.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from infra.corpus import fetching, sheet, summary
from infra.corpus.journey import Traveller
from infra.corpus.memory import Watch
from infra.corpus.run import Run
from infra.corpus.stack import StackFailed, running
from infra.local.home import PROJECT

FOLDER: Final = PROJECT / "build" / "corpus"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, take all the way, judge."""
    parser = argparse.ArgumentParser(prog="python -m infra.corpus", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="Where everything lies.")
    parser.add_argument("--only", default="", metavar="TEXT", help="Only files with this in their path.")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    for name in ("files", "stored"):
        shutil.rmtree(folder / name, ignore_errors=True)
    try:
        sources = [path for path in _sources(folder) if given.only in str(path)]
        run = _run(folder, sources)
    except (fetching.FetchFailed, StackFailed) as error:
        print(error, file=sys.stderr)
        return 2
    page = folder / "index.html"
    sheet.write(run.travelled, page, notes=run.notes, faults=run.faults)
    return summary.tell(run.travelled, run.faults, [*run.notes, *_of_processes(run)], run.seconds, page)


def _sources(folder: Path) -> list[Path]:
    print("Fetching what is not there yet …", flush=True)
    archives = fetching.fetch(folder / "archives")
    sources = fetching.unpack(archives, folder / "files")
    print(f"{len(sources)} files of {', '.join(path.name for path in archives)}", flush=True)
    return sources


def _run(folder: Path, sources: list[Path]) -> Run:
    print("Starting a stack …", flush=True)
    with running(folder / "stack") as stack, closing(Traveller(stack.url, stack.account)) as traveller:
        pids = [process.pid for process in stack.handlers.values()]
        with Watch(pids) as watch:
            run = Run(folder, stack, traveller, watch)
            run.everything(sources)
    return run


def _of_processes(run: Run) -> list[str]:
    of_handlers = [
        f"{name} is process {process.pid} still and held {summary.mebibytes(run.watch.parents[process.pid])}"
        for name, process in run.stack.handlers.items()
    ]
    decoders = run.watch.decoders
    most = summary.mebibytes(max(decoders.values(), default=0))
    return [*of_handlers, f"{len(decoders)} decoders, of which none was seen to hold more than {most}"]


if __name__ == "__main__":
    sys.exit(main())
