"""What artifacts weigh and import, against `budgets.toml`."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

from infra.build.archives import files
from infra.build.artifacts import Wanted
from infra.build.entries import entries, modules_at_start
from infra.build.targets import LAYER, BuildFailed, target

BUDGETS: Final = Path(__file__).with_name("budgets.toml")
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True)
class Line:
    """One figure of an artifact; `budget` is None where it has none."""

    artifact: str
    what: str
    value: float
    unit: str
    budget: float | None

    @property
    def is_over(self) -> bool:
        """Whether it is more than its budget."""
        return self.budget is not None and self.value > self.budget

    def __str__(self) -> str:
        shown = f"{self.value:,.2f}" if self.unit == "MB" else f"{self.value:,.0f}"
        limit = "" if self.budget is None else f"  of {self.budget:g}"
        return f"{self.artifact:<9} {self.what:<32} {shown:>9} {self.unit:<8}{limit}{'  OVER' * self.is_over}"


def report(names: Iterable[str], wanted: Wanted) -> list[Line]:
    """The figures of artifacts that are built. Raises BuildFailed where one is not, or does not start."""
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))
    return [line for name in names for line in _lines(name, wanted, budgets)]


def _lines(name: str, wanted: Wanted, budgets: dict[str, Any]) -> Iterator[Line]:
    folder, archive = wanted.folder / name, (wanted.folder / name).with_suffix(".zip")
    if not archive.exists():
        raise BuildFailed(f"{name} is not built for {wanted.architecture}: `lambkin build {name}` builds it.")
    raw = sum(path.stat().st_size for path in files(folder)) / _MEGABYTE
    yield Line(name, "raw", raw, "MB", None)
    limits = budgets["zipped_mb"]
    # What holds the layer as well may weigh as much as both.
    both = limits["layer"] if wanted.bundle_layer and name != LAYER else 0
    limit = limits.get(name, limits["default"]) + both
    yield Line(name, "zipped", archive.stat().st_size / _MEGABYTE, "MB", limit)
    if name != LAYER:
        own = _zipped(archive, target(name).packages) / _MEGABYTE
        yield Line(name, "its own code, zipped", own, "MB", budgets["own_code_mb"]["default"])
    for entry in entries(name):
        yield _modules(name, entry, wanted, budgets)


def _modules(name: str, entry: str, wanted: Wanted, budgets: dict[str, Any]) -> Line:
    folders = [wanted.folder / name]
    if not wanted.bundle_layer:
        folders.append(wanted.folder / LAYER / "python")
    number = len(modules_at_start(entry, folders))
    return Line(name, entry, number, "modules", budgets["modules_at_start"].get(entry))


def _zipped(archive: Path, below: Iterable[str]) -> int:
    prefixes = tuple(f"{folder}/" for folder in below)
    with ZipFile(archive) as packed:
        return sum(each.compress_size for each in packed.infolist() if each.filename.startswith(prefixes))
