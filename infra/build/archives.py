"""Folders and zip files that are the same, byte by byte, each time they are made."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# The first moment that a zip file can name; Lambda shows the same for all files.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_SECONDS: Final = 315_532_800
_FILE: Final = 0o100644
_PROGRAM: Final = 0o100755


def settle(folder: Path) -> None:
    """Give all files and folders the same date, and rights that do not depend on who built them."""
    for path in [folder, *sorted(folder.rglob("*"))]:
        path.chmod(0o755 if path.is_dir() or _is_program(path) else 0o644)
        os.utime(path, (_SECONDS, _SECONDS))


def _is_program(path: Path) -> bool:
    return path.suffix == ".sh"


def files(folder: Path) -> Iterator[Path]:
    """All files below, in an order that depends on their names alone."""
    found = (path for path in folder.rglob("*") if path.is_file())
    yield from sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def pack(folder: Path, archive: Path) -> None:
    """Make a zip file of a folder, in one step: a reader never sees half of it."""
    draft = archive.with_name(f".{archive.name}.{os.getpid()}")
    with ZipFile(draft, "w", ZIP_DEFLATED, compresslevel=9) as packed:
        for path in files(folder):
            entry = ZipInfo(path.relative_to(folder).as_posix(), _MOMENT)
            entry.external_attr = (_PROGRAM if _is_program(path) else _FILE) << 16
            entry.compress_type = ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    draft.replace(archive)


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files, hexadecimal."""
    found = hashlib.sha256()
    for path in files(folder):
        name = path.relative_to(folder).as_posix().encode()
        content = path.read_bytes()
        found.update(b"%d %s %d " % (len(name), name, len(content)))
        found.update(content)
    return found.hexdigest()
