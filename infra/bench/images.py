"""What processing an image costs, beside the bare imaging library doing the same work in one process."""

from collections.abc import Callable, Sequence
from typing import Any

from infra.bench.figures import Figure, Result, middle
from infra.bench.rig import Rig

MEGAPIXELS = (12, 48)
MOST_FACTOR = 1.15
PATIENCE = 600.0


def measure(
    rig: Rig, *, rounds: int, progress: Callable[[str], None], megapixels: Sequence[int] = MEGAPIXELS
) -> Result:
    """`rounds` times each: a JPEG through the decoder's child, then the same by the library alone."""
    figures: list[Figure] = []
    for each in megapixels:
        progress(f"a JPEG of {each} megapixels")
        question = {"megapixels": each, "rounds": rounds, "folder": str(rig.folder)}
        figures += _figures(each, rig.ask("renditions", question, patience=PATIENCE))
    notes = [
        "Ours also cleans and verifies the original, names its colours, hashes it; both make renditions.",
        "Rounds alternate which comes first; the ratio is the median of the rounds'.",
    ]
    return Result("Processing an image", figures, columns=("ours", "library"), notes=notes)


def _figures(megapixels: int, found: dict[str, Any]) -> list[Figure]:
    group = f"JPEG, {megapixels} megapixels"

    def compared(name: str, unit: str, key: str, target: float | None) -> Figure:
        ours, bare = found["ours"][key], found["bare"][key]
        return Figure(
            group,
            name,
            unit,
            middle(ours),
            middle(bare),
            middle(a / b for a, b in zip(ours, bare, strict=True)),
            target,
        )

    return [
        compared("time", "ms", "ms", MOST_FACTOR),
        compared("peak memory", "MiB", "mib", MOST_FACTOR),
    ]
