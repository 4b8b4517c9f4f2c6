"""`make fuzz`: Schemathesis makes up requests for every operation; each answer must be as it is described.

python -m tests.fuzz [--cases N] [--seed N] [--who NAME]... [OPTION OF `schemathesis run`]...
"""

import argparse
import json
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Final

from infra.contract import documents
from infra.contract.operations import operations
from tests.fuzz.callers import WHO
from tests.fuzz.runs import Run
from tests.fuzz.serving import served_functions
from tests.support.postgres import PostgresDidNotStart

CASES: Final = 30_000


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Make up requests for every operation. Other options go to `schemathesis run`.",
        allow_abbrev=False,
    )
    parser.add_argument("--cases", type=int, default=CASES, metavar="N", help=f"about so many ({CASES})")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), metavar="N", help="repeat a run"
    )
    parser.add_argument("--who", choices=WHO, action="append", help="only as these; by default as each")
    return parser.parse_known_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as each caller; 0 where all was well, 1 where not, 2 without a database, 130 after Ctrl-C."""
    chosen, options = _arguments(arguments)
    callers, document = chosen.who or list(WHO), documents.FOLDER / documents.MERGED
    described = operations(json.loads(document.read_text(encoding="utf-8"))).values()
    # One without input has a single case.
    varied = sum(bool(each.parameters or each.body) for each in described)
    examples = max(1, chosen.cases // (len(callers) * varied))
    started, failed = time.monotonic(), []
    try:
        with served_functions() as url:
            for who in callers:
                print(f"\nAs {who}, with the seed {chosen.seed}:\n", flush=True)
                if Run(url, document, who, examples, chosen.seed, options).start().returncode:
                    failed.append(who)
    except PostgresDidNotStart as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"\nIn {time.monotonic() - started:.0f} s: ", end="")
    if failed:
        again = shlex.join(["--seed", str(chosen.seed), "--cases", str(chosen.cases), *options])
        print(f"failures as {', '.join(failed)}. To repeat: make fuzz ARGS={shlex.quote(again)}")
        return 1
    print(f"every answer to {', '.join(callers)} was as it is described (seed {chosen.seed}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
