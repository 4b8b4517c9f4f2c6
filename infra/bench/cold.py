"""Cold start: a fresh interpreter imports a function's real artifact and answers, beside a hello's.

The artifacts are those of `lambkin build`: bytecode that is never checked, dates of 1980, nothing else on the
path. The hello is built the same way, over the same layer.
"""

import platform
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.functions import FUNCTIONS
from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import ratio
from infra.bench.rig import BenchFailed, Rig
from infra.bench.warm_calls import event_for
from infra.build.artifacts import Wanted, build, compile_folder
from infra.build.targets import LAYER

MOST_RATIOS = {"health": 1.4, "users": 2.5, "auth": 2.8, "files": 2.8, "ai": 2.8}
NATIVE = Wanted("arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64")
SHOWN_IMPORTS = 15
PARTS = ("import", "construction", "first_request")
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


@dataclass
class Start:
    """One kind of start and what each round found, in milliseconds by part."""

    name: str
    module: str
    event: dict[str, Any]
    artifact: Path
    runs: list[dict[str, float]] = field(default_factory=list)
    target: float | None = None

    def question(self) -> dict[str, Any]:
        """What the child is asked."""
        folders = [str(self.artifact), str(NATIVE.folder / LAYER / "python")]
        return {"module": self.module, "event": self.event, "folders": folders}

    def run(self, rig: Rig) -> None:
        """Start once. Raises BenchFailed, also without bytecode: every figure would mean another."""
        found = rig.ask("cold_start", self.question(), isolated=True)
        if not found["bytecode"]:
            raise BenchFailed(f"{self.module} has no bytecode in its artifact.")
        self.runs.append({"whole": sum(found[part] for part in PARTS), **found})

    def values(self, key: str) -> list[float]:
        """What each round found."""
        return [run[key] for run in self.runs]


def _starts(token: str, progress: Callable[[str], None]) -> list[Start]:
    def function(name: str, path: str, title: str = "") -> Start:
        artifact = NATIVE.folder / name
        target = None if title else MOST_RATIOS.get(name)
        return Start(title or name, f"functions.{name}.app", event_for(path, token), artifact, target=target)

    built = {name: build(name, NATIVE, lambda _: None) for name in (LAYER, *FUNCTIONS)}
    progress(f"cold starts: built {', '.join(built)}")
    return [
        Start("hello", "hello", event_for("/hello", token), _hello()),
        function("users", "/v1/users/livez"),
        function("users", "/v1/users/me", "users, first GET /users/me: connects"),
        function("auth", "/v1/auth/livez"),
        function("files", "/v1/files/livez"),
        function("ai", "/v1/ai/livez"),
        function("health", "/v1/health/livez"),
        function("worker", "/v1/worker/livez"),
    ]


def _hello() -> Path:
    """The reference as an artifact of its own."""
    folder = NATIVE.folder / "hello"
    folder.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("hello.py"), folder)
    compile_folder(folder, "/var/task")
    return folder


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    verbose: bool,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` fresh interpreters of each kind, in turns; one before that writes the bytecode, if several."""
    progress("cold starts: building the artifacts")
    starts = _starts(accounts[0]["access"], progress)
    # One round before, which reads the files from the disk, if there are several.
    for number in range(rounds if rounds == 1 else rounds + 1):
        progress(f"cold starts: round {number} of {rounds}" if number else "cold starts: files")
        for start in starts:
            start.run(rig)
    if rounds > 1:
        for start in starts:
            start.runs.pop(0)
    hello, *ours = starts
    notes = [
        "The real artifacts, from the first line of a fresh interpreter that sees nothing else; medians.",
        "What else a start has is the same for all. The hello has an artifact over the same layer. Asked for",
        "is /livez but where the name says otherwise. On a busy machine the processor time tells.",
    ]
    if verbose:
        for start in starts:
            notes += _slowest_imports(rig, start)
    return Result("Cold start", [figure for start in ours for figure in _figures(start, hello)], notes=notes)


def _figures(start: Start, hello: Start) -> list[Figure]:
    def figure(key: str, compared: float | None = None, target: float | None = None) -> Figure:
        mine, its = middle(start.values(key)), middle(hello.values(key))
        return Figure(start.name, key.replace("_", " "), "ms", mine, its, compared, target)

    def compared(key: str, target: float | None = None) -> Figure:
        return figure(key, ratio(start.values(key), hello.values(key)), target)

    return [compared("whole", start.target), *(figure(part) for part in PARTS), compared("processor")]


def _slowest_imports(rig: Rig, start: Start) -> list[str]:
    rig.ask("cold_start", start.question(), options=("-X", "importtime"), isolated=True)
    found = _IMPORT_TIME.findall(rig.log("cold_start").read_text(errors="replace"))
    slowest = sorted(((int(own), name) for own, _, name in found), reverse=True)[:SHOWN_IMPORTS]
    total = sum(int(own) for own, _, _ in found)
    lines = [
        f"Imports of {start.name}: {len(found)} modules, {total / 1000:.0f} ms; the slowest by own time:"
    ]
    return lines + [f"    {own / 1000:6.1f} ms  {name}" for own, name in slowest]
