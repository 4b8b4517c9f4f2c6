"""Photographs and hostile files of others, from the sources of imaging libraries.

The machine's own clients bring them. Nothing of it is ours, and nothing of it is committed.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from functions.files.imaging.kinds import PROCESSED, kind_of
from infra.local.emulator import find_uv

DISTRIBUTIONS: Final = ("pillow", "pillow-heif")
SOURCE_PACKAGES: Final = ("exiv2", "libpng1.6", "libjpeg-turbo", "libheif")
_PATIENCE: Final = 600
_LARGEST_BYTES: Final = 64 * 1024 * 1024
# What is taken whatever it holds: files that only claim to be images are the best of it.
_SUFFIXES: Final = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jpf",
        ".png",
        ".apng",
        ".gif",
        ".webp",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".tif",
    }
    | {
        ".tiff",
        ".svg",
        ".pdf",
        ".jp2",
        ".bmp",
        ".ico",
        ".psd",
        ".exv",
        ".mpo",
        ".dng",
        ".nef",
        ".cr2",
        ".orf",
    }
    | {".poc", ".bin", ".eps", ".jxl", ".pgf", ".raf", ".rw2", ".arw", ".sr2", ".xmp", ".icns"}
)


class FetchFailed(Exception):
    """A client gave nothing; the message holds what it said."""


def fetch(archives: Path) -> list[Path]:
    """Bring the archives that are not there yet; all of them.

    Raises FetchFailed where there is none at all.
    """
    archives.mkdir(parents=True, exist_ok=True)
    said = [_distribution(name, archives) for name in DISTRIBUTIONS] + _source_packages(archives)
    found = sorted(
        path for path in archives.iterdir() if ".tar" in path.name and "debian.tar" not in path.name
    )
    if not found:
        raise FetchFailed("\n".join(each for each in said if each))
    for each in said:
        if each:
            print(each, file=sys.stderr)
    return found


def _distribution(name: str, archives: Path) -> str:
    """The source distribution of the release that is installed here."""
    release = version(name)
    if any(archives.glob(f"{name.replace('-', '_')}-{release}.tar*")):
        return ""
    download = ("pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(archives))
    return _run(
        [find_uv(), "tool", "run", "--python", sys.executable, *download, f"{name}=={release}"], archives
    )


def _source_packages(archives: Path) -> list[str]:
    """Debian's source packages, by this machine's sources, with lists of our own beside them."""
    missing = [name for name in SOURCE_PACKAGES if not any(archives.glob(f"{name}_*.orig.tar*"))]
    configured = sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
    if not missing:
        return []
    if not configured:
        return ["There are no Debian sources on this machine: its packages are left out."]
    own = archives / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "sources"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    for path in configured:
        lines = path.read_text().splitlines()
        wanted = ["Types: deb-src" if line.startswith("Types:") else line for line in lines]
        (own / "sources" / path.name).write_text("\n".join(wanted) + "\n")
    settings = {
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": str(own / "sources"),
        "Dir::State::lists": str(own / "lists"),
        "Dir::Cache": str(own / "cache"),
        # Where archives lie may be closed to the account that would fetch them otherwise.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
    said = [_run([*apt, "update"], archives)]
    return said + [
        _run([*apt, "source", "--download-only", "--tar-only", name], archives) for name in missing
    ]


def _run(command: list[str], folder: Path) -> str:
    """What a command complained of where it failed."""
    try:
        ended = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ended.stderr.strip() if ended.returncode else ""


def unpack(archives: list[Path], into: Path) -> list[Path]:
    """Every file in them that is, or claims to be, an image, a drawing or a document."""
    return [path for archive in archives for path in _unpacked(archive, into)]


def _unpacked(archive: Path, into: Path) -> Iterator[Path]:
    folder = into / archive.name.partition(".tar")[0].replace(".orig", "")
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or member.size > _LARGEST_BYTES:
                continue
            path = folder / member.name.replace("/", "__")[-180:]
            content = tar.extractfile(member)
            held = content.read() if content else b""
            if path.suffix.lower() in _SUFFIXES or kind_of(held).media_type in PROCESSED:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(held)
                yield path
