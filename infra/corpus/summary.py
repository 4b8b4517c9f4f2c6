"""What a terminal shows of a run."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from infra.corpus import hostile
from infra.corpus.journey import Travelled
from infra.corpus.judging import LIMITS, MEBIBYTE


def outcomes(travelled: Sequence[Travelled]) -> str:
    """How many ended how, in a line."""
    counted = Counter(each.outcome or "lost" for each in travelled)
    return ", ".join(f"{counted[name]} {name}" for name in sorted(counted))


def mebibytes(number: int) -> str:
    """A number of bytes for a reader."""
    return f"{number / MEBIBYTE:.0f} MiB"


def tell(
    travelled: Sequence[Travelled], faults: Sequence[str], notes: Sequence[str], seconds: float, page: Path
) -> int:
    """Print it all; 1 where anything was wrong."""
    for outcome in sorted({each.outcome or "lost" for each in travelled}):
        _tell_reasons(outcome, travelled)
    _tell_most(travelled)
    for note in notes:
        print(note)
    wrong = [each for each in travelled if each.faults]
    for each in wrong:
        print(f"WRONG {each.source.name}: {'; '.join(each.faults)}")
    for fault in faults:
        print(f"WRONG {fault}")
    print(
        f"{len(travelled)} files in {seconds:.0f} s: {outcomes(travelled)}; {len(wrong) + len(faults)} wrong."
    )
    print(f"The contact sheet is {page}")
    return 1 if wrong or faults else 0


def _tell_reasons(outcome: str, travelled: Sequence[Travelled]) -> None:
    which = [each for each in travelled if (each.outcome or "lost") == outcome]
    print(f"{len(which):6}  {outcome}")
    for reason, count in Counter(each.reason for each in which).most_common():
        print(f"{count:14}  {reason}")


def _tell_most(travelled: Sequence[Travelled]) -> None:
    slowest = max(travelled, key=lambda each: each.decoding_seconds)
    largest = max(travelled, key=lambda each: each.peak_bytes)
    waited = max(travelled, key=lambda each: each.seconds)
    bound = f"of {LIMITS.seconds:.0f} s"
    print(f"The slowest decoding took {slowest.decoding_seconds:.2f} s {bound}: {slowest.source.name}")
    bound = f"of {LIMITS.memory_mb} MiB"
    print(f"The most memory was {mebibytes(largest.peak_bytes)} {bound}: {largest.source.name}")
    print(
        f"From the first byte sent to the outcome took {waited.seconds:.2f} s at most: {waited.source.name}"
    )
    repetitions = sum(each.repetitions for each in travelled)
    print(f"Pictures were answered {repetitions} times by 503 and asked for again.")
    for each in travelled:
        if each.repetitions and "picture" not in each.stored:
            print(f"None was made, as it took too long each time: {each.source.name}")
    for each in travelled:
        if each.named:
            print(
                f"{each.source.name}: {each.outcome} as {each.code} after {each.seconds:.2f} s of"
                f" {hostile.SECONDS:.0f} s, with {mebibytes(each.peak_bytes)} of {mebibytes(hostile.BYTES)}"
            )
