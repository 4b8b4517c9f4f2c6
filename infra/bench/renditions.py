"""The child that makes renditions twice: through the decoder, and with the imaging library alone.

`{"megapixels", "rounds", "folder"}` gives `{"ours": {"ms": […], "mib": […]}, "bare": …}`, a value a
round. The library works in a process of its own, started anew each round and warm like the decoder's
child: peaks count from where one begins.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from functions.files.imaging.child import Decoder, Limits

MEBIBYTE = 1024 * 1024
RENDITIONS = (2048, 1024, 512, 256)
type Found = tuple[float, float]


def photograph(path: Path, megapixels: int) -> None:
    """Write a JPEG of this many megapixels, 4 to 3, with noise as sensors have and what a camera tells."""
    from PIL import Image
    from PIL.ExifTags import GPS, IFD, Base

    height = round(math.sqrt(megapixels * 1_000_000 * 3 / 4))
    size = (height * 4 // 3, height)
    small = (size[0] // 8, size[1] // 8)
    bands = [Image.effect_noise(small, 60).resize(size, Image.Resampling.BICUBIC) for _ in range(3)]
    exif = Image.Exif()
    exif[Base.Make] = "Acme"
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    Image.merge("RGB", bands).save(path, "JPEG", quality=90, exif=exif)


def bare(source: Path, into: Path) -> Found:
    """Decode and make the renditions as anybody would with the library; milliseconds and MiB."""
    from PIL import Image

    started = time.perf_counter()
    with Image.open(source) as opened:
        longest = max(opened.size)
        scale = min(1.0, RENDITIONS[0] / longest)
        largest = round(opened.width * scale), round(opened.height * scale)
        opened.draft(None, largest)
        image = opened.resize(largest, Image.Resampling.LANCZOS)
    for side in sorted({min(side, longest) for side in RENDITIONS}, reverse=True):
        size = round(largest[0] * side / max(largest)), round(largest[1] * side / max(largest))
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        image.save(into / f"bare-{side}.webp", "WEBP", quality=80, method=4)
    return (time.perf_counter() - started) * 1000, _peak_mib()


def _peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _bare_in_process(source: Path, into: Path) -> Found:
    """In a process that has done a small one already, as the decoder's child has."""
    command = [sys.executable, "-m", "infra.bench.renditions", "--bare", str(source), str(into)]
    told = subprocess.run(command, capture_output=True, check=True)
    milliseconds, mebibytes = json.loads(told.stdout)
    return milliseconds, mebibytes


def _ours(decoder: Decoder, source: Path, into: Path) -> Found:
    started = time.perf_counter()
    made = decoder.process(source, into, Limits())
    return (time.perf_counter() - started) * 1000, made.peak_bytes / MEBIBYTE


def _rounds(source: Path, small: Path, into: Path, rounds: int) -> dict[str, Any]:
    found: dict[str, list[Found]] = {"ours": [], "bare": []}
    with Decoder() as decoder:
        decoder.process(small, into, Limits())
        for number in range(rounds):
            for name in sorted(found, reverse=bool(number % 2)):
                found[name].append(
                    _ours(decoder, source, into) if name == "ours" else _bare_in_process(source, into)
                )
    return {
        name: {"ms": [each[0] for each in values], "mib": [each[1] for each in values]}
        for name, values in found.items()
    }


def main() -> None:
    """Answer one question; with `--bare`, do the library's side of a round."""
    if sys.argv[1:2] == ["--bare"]:
        source, into = (Path(each) for each in sys.argv[2:4])
        bare(into / "small.jpg", into)
        json.dump(bare(source, into), sys.stdout)
        return
    question = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(dir=question["folder"]) as name:
        folder = Path(name)
        source, small = folder / "photograph.jpg", folder / "small.jpg"
        photograph(source, question["megapixels"])
        photograph(small, 1)
        json.dump(_rounds(source, small, folder, question["rounds"]), sys.stdout)


if __name__ == "__main__":
    main()
