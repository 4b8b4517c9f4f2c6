"""One run of Schemathesis: a process of its own, as one caller."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.home import PROJECT
from tests.fuzz.callers import WHO_VARIABLE

CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Run:
    """Requests made up from the OpenAPI `document`, sent to `url` as `who` (a key of WHO).

    `examples` is how many random ones an operation gets; what its schema alone leads to comes on top.
    `options` are further ones of `schemathesis run`.
    """

    url: str
    document: Path
    who: str
    examples: int
    seed: int
    options: Sequence[str] = ()

    def start(self, *, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end. The return code is 0 where every answer was as it should be."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIGURATION}"),
                *("run", str(self.document), f"--url={self.url}", f"--seed={self.seed}"),
                *(f"--max-examples={self.examples}", *self.options),
            ],
            env=os.environ | {WHO_VARIABLE: self.who, "INTERNAL_URL": self.url, "NO_PROXY": "127.0.0.1"},
            cwd=PROJECT,
            stdout=stdout,
            text=True,
            check=False,
        )
