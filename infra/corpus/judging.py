"""Each file through the decoder, and what came of it looked at by readers that had no part in it."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from functions.files.imaging.child import Decoder, DecoderUnavailable, Limits, Processed, Rejected
from functions.files.imaging.kinds import IMAGES

LIMITS: Final = Limits(seconds=20)
_MEBIBYTE: Final = 1024 * 1024
# What a place looks like in bytes, whatever field it stands in.
_PLACES: Final = (
    b"GPSLatitude",
    b"GPSLongitude",
    b"GPSInfo",
    b"\x00G\x00P\x00S\x00L",
    b"Exif\x00\x00II",
    b"PLACE",
)
_AT_ONCE: Final = 200


@dataclass(slots=True)
class Verdict:
    """What one file came to; `faults` is empty unless we did wrong."""

    source: Path
    folder: Path
    seconds: float
    peak_bytes: int
    made: Processed | None = None
    rejected: Rejected | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def stored(self) -> Path:
        """What would be kept as the original."""
        return self.made.cleaned if self.made is not None and self.made.cleaned is not None else self.source


def judge(sources: list[Path], into: Path) -> Iterator[Verdict]:
    """Process every file, in order."""
    with Decoder() as decoder:
        for number, source in enumerate(sources):
            folder = into / f"{number:04}"
            folder.mkdir(parents=True)
            yield _judged(decoder, source, folder)


def _judged(decoder: Decoder, source: Path, folder: Path) -> Verdict:
    started = time.monotonic()
    verdict = Verdict(source, folder, 0.0, 0)
    try:
        verdict.made = decoder.process(source, folder, LIMITS)
        verdict.peak_bytes = verdict.made.peak_bytes
    except Rejected as rejected:
        verdict.rejected = rejected
        verdict.peak_bytes = rejected.peak_bytes
        if rejected.code == "crashed":
            verdict.faults.append(rejected.detail)
    except DecoderUnavailable as unavailable:
        verdict.faults.append(str(unavailable))
    verdict.seconds = time.monotonic() - started
    if verdict.seconds > LIMITS.seconds + 5:
        verdict.faults.append(f"took {verdict.seconds:.0f} s")
    if verdict.peak_bytes > LIMITS.memory_mb * _MEBIBYTE:
        verdict.faults.append(f"held {verdict.peak_bytes / _MEBIBYTE:.0f} MiB")
    if verdict.made is not None and verdict.made.media_type in IMAGES:
        verdict.faults += _left_in(verdict.stored)
        verdict.faults += [fault for each in verdict.made.renditions for fault in _left_in(each.path)]
    return verdict


def _left_in(path: Path) -> list[str]:
    """Places that a plain search finds."""
    content = path.read_bytes()
    return [f"{mark.decode(errors='replace')} is left in {path.name}" for mark in _PLACES if mark in content]


def second_opinion(verdicts: list[Verdict]) -> str:
    """Ask ExifTool, where it is installed, for places and owners; adds faults, says what was asked."""
    tool = shutil.which("exiftool")
    if tool is None:
        return "ExifTool is not installed: places were looked for by our own search alone."
    asked = {
        str(path): verdict
        for verdict in verdicts
        if verdict.made is not None and verdict.made.media_type in IMAGES
        for path in (verdict.stored, *(each.path for each in verdict.made.renditions))
    }
    paths = list(asked)
    for start in range(0, len(paths), _AT_ONCE):
        # Everything that has a place, an owner, a serial number or a maker's note in its name.
        wanted = ("-*GPS*", "-Location*", "-City", "-OwnerName", "-*SerialNumber*", "-MakerNote*", "-Artist")
        command = [tool, "-json", "-fast", *wanted, *paths[start : start + _AT_ONCE]]
        told = subprocess.run(command, capture_output=True, check=False).stdout
        for found in json.loads(told or b"[]"):
            left = set(found) - {"SourceFile"}
            if left:
                asked[found["SourceFile"]].faults.append(f"ExifTool finds {', '.join(sorted(left))}")
    return f"ExifTool looked for places and owners in {len(paths)} files."
