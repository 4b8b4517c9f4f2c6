"""What came of each file, looked at by readers that had no part in it, and held to the limits."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from functions.files.imaging.limits import Limits
from functions.files.imaging.outcomes import CODES
from infra.corpus import hostile
from infra.corpus.journey import Travelled

LIMITS: Final = Limits()
MEBIBYTE: Final = 1024 * 1024
# From when its time is over until its end is seen.
_GRACE_SECONDS: Final = 5.0
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
# Everything that has a place, an owner, a serial number or a maker's note in its name.
_WANTED: Final = (
    "-*GPS*",
    "-Location*",
    "-City",
    "-OwnerName",
    "-*SerialNumber*",
    "-MakerNote*",
    "-Artist",
)


def look(travelled: Travelled) -> None:
    """Add what is wrong with how a file ended, and with what is kept of it."""
    if not travelled.outcome:
        travelled.faults.append("it never came to an end")
    if travelled.outcome == "rejected" and travelled.code not in CODES.keys() - {"crashed"}:
        travelled.faults.append(f"it was rejected as {travelled.code}: {travelled.detail}")
    for path in _with_pictures(travelled):
        content = path.read_bytes()
        found = [mark.decode(errors="replace") for mark in _PLACES if mark in content]
        travelled.faults += [f"{each} is left in {path.name}" for each in found]


def _with_pictures(travelled: Travelled) -> Iterator[Path]:
    """All that is kept of it; but documents keep their own properties."""
    for name, path in travelled.stored.items():
        if name != "original" or travelled.file["media_type"] != "application/pdf":
            yield path


def second_opinion(all_of_them: Sequence[Travelled]) -> str:
    """Ask ExifTool, where it is installed, for places and owners; adds faults, says what was asked."""
    tool = shutil.which("exiftool")
    if tool is None:
        return "ExifTool is not installed: places were looked for by our own search alone."
    asked = {str(path): each for each in all_of_them for path in _with_pictures(each)}
    paths = list(asked)
    for start in range(0, len(paths), _AT_ONCE):
        command = [tool, "-json", "-fast", *_WANTED, *paths[start : start + _AT_ONCE]]
        told = subprocess.run(command, capture_output=True, check=False).stdout
        for found in json.loads(told or b"[]"):
            left = set(found) - {"SourceFile"}
            if left:
                name = Path(found["SourceFile"]).name
                fault = f"ExifTool finds {', '.join(sorted(left))} in {name}"
                asked[found["SourceFile"]].faults.append(fault)
    return f"ExifTool looked for places and owners in {len(paths)} files that the bucket kept."


def measure(all_of_them: Iterable[Travelled], logged: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give each file what its job logged, hold it to the limits, and name the jobs that went wrong."""
    lines = list(logged)
    decoded = {line["request_id"]: line for line in lines if line.get("event") == "content_decoded"}
    for each in all_of_them:
        line = decoded.get(each.request_id)
        if line is None:
            continue
        each.peak_bytes = line["peak_bytes"]
        each.decoding_seconds = line["duration_ms"] / 1000
        if each.decoding_seconds > LIMITS.seconds + _GRACE_SECONDS:
            each.faults.append(f"decoding took {each.decoding_seconds:.0f} s")
        if each.peak_bytes > LIMITS.memory_mb * MEBIBYTE:
            each.faults.append(f"its decoder held {each.peak_bytes / MEBIBYTE:.0f} MiB")
    return [_described(line) for line in lines if _is_wrong(line)]


def _is_wrong(line: Mapping[str, Any]) -> bool:
    done = line.get("event") != "job" or (line.get("outcome") == "done" and line.get("attempt") == 1)
    return not done or line.get("level") in ("error", "critical")


def _described(line: Mapping[str, Any]) -> str:
    told = ("event", "task", "outcome", "attempt", "error", "request_id")
    return ", ".join(f"{name} {line[name]}" for name in told if name in line)


def hold_to_the_least(travelled: Travelled, code: str) -> None:
    """Add what is wrong with how one of the three named files was rejected."""
    travelled.named = True
    if (travelled.outcome, travelled.code) != ("rejected", code):
        travelled.faults.append(f"it was {travelled.outcome} {travelled.code}, not rejected as {code}")
    if travelled.seconds > hostile.SECONDS:
        travelled.faults.append(f"it was rejected after {travelled.seconds:.2f} s")
    if not 0 < travelled.peak_bytes < hostile.BYTES:
        travelled.faults.append(f"its decoder held {travelled.peak_bytes / MEBIBYTE:.0f} MiB")
