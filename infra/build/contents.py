"""What an artifact keeps of what was installed and of our own code."""

import shutil
from pathlib import Path
from typing import Final

from infra.build.elf import strip_library
from infra.build.targets import Target
from infra.local.home import PROJECT

# Types for checkers, sources of what is compiled already, and programs that nobody starts in Lambda.
_NEEDLESS_FILES: Final = (
    *("*.pyi", "py.typed", "*.pyx", "*.pxd", "*.c", "*.cpp", "*.h", "*.pyc", "*.proto", "*.dist-info/sboms"),
)
_NEEDLESS_FOLDERS: Final = ("__pycache__", "tests", "test", "bin", "sboms")
# Their versions and plug-ins are asked for at run time (pydantic asks for email-validator's version), and
# licences travel along.
_KEPT_METADATA: Final = (
    "METADATA",
    "entry_points.txt",
    "licenses",
    "LICENSE",
    "LICENCE",
    "COPYING",
    "NOTICE",
    "AUTHORS",
)
# Of SQLAlchemy: its own test suite, and databases that are not Postgres; each is imported by its name only.
_UNUSED: Final = (
    "sqlalchemy/testing",
    *(f"sqlalchemy/dialects/{name}" for name in ("mssql", "mysql", "oracle", "sqlite")),
)
# Of the optional groups: what their clients load only by name, for who asks for it; `common` does not.
_USED_ALONE: Final = {
    "sentry_sdk/integrations": ("__init__.py", "dedupe.py"),
    # The types of Google's own services, beside protobuf.
    "google": ("protobuf", "_upb"),
}
_OURS_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "Makefile", ".*")


def strip(folder: Path) -> None:
    """Remove from installed distributions what no start needs."""
    for pattern in _NEEDLESS_FILES:
        for path in sorted(folder.rglob(pattern)):
            if path.is_file():
                path.unlink()
    for name in _NEEDLESS_FOLDERS:
        for path in sorted(folder.rglob(name)):
            if path.is_dir() and not any(part.endswith(".dist-info") for part in path.parts):
                shutil.rmtree(path)
    _strip_unused(folder)
    for library in sorted({*folder.rglob("*.so"), *folder.rglob("*.so.*")}):
        strip_library(library)
    for metadata in folder.glob("*.dist-info"):
        _strip_metadata(metadata)


def _strip_unused(folder: Path) -> None:
    for unused in _UNUSED:
        shutil.rmtree(folder / unused, ignore_errors=True)
    for place, used in _USED_ALONE.items():
        for path in sorted((folder / place).glob("*")):
            if path.name not in used:
                _remove(path)


def _strip_metadata(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(_KEPT_METADATA):
            _remove(path)
    described = folder / "METADATA"
    # Its fields, without the page that follows them.
    fields, _, _ = described.read_text(encoding="utf-8").partition("\n\n")
    described.write_text(f"{fields}\n", encoding="utf-8")


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def add_own_code(target: Target, folder: Path) -> None:
    """Copy the target's own packages, and nothing of its siblings."""
    root = PROJECT / target.source
    for package in target.packages:
        place = folder / package
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(root / package, place, ignore=_OURS_LEFT_OUT)
        for parent in Path(package).parents:
            above = root / parent / "__init__.py"
            if parent.name and above.exists():
                shutil.copy(above, folder / parent / "__init__.py")
