"""The source folders, watched: which files changed."""

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

from infra.local.home import PROJECT

FOLDERS = ("functions", "layers", "infra", "migrations")
SUFFIXES = (".py", ".html", ".txt", ".css", ".js", ".json")
SETTLE_MS = 150  # an editor writes a file in several steps; a checkout writes many files


class SourceFilter(DefaultFilter):
    """Sources and templates; neither caches nor editors' temporary files."""

    def __call__(self, change: Change, path: str) -> bool:
        """Whether a change counts."""
        return path.endswith(SUFFIXES) and super().__call__(change, path)


async def changes(project: Path = PROJECT) -> AsyncIterator[list[str]]:
    """Sets of changed files, relative to the project, as they come."""
    folders = [project / name for name in FOLDERS if (project / name).is_dir()]
    async for batch in awatch(*folders, watch_filter=SourceFilter(), debounce=SETTLE_MS, step=50):
        yield sorted({str(Path(path).relative_to(project)) for _, path in batch})
