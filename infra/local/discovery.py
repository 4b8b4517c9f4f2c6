"""Which functions there are: a look at the folders, so that a new one needs no registration."""

from dataclasses import dataclass
from pathlib import Path

from infra.local.home import PROJECT


@dataclass(frozen=True)
class Function:
    """A folder under `functions/`: what it can do is told by the files that it has."""

    name: str
    serves_http: bool
    handles_jobs: bool

    @property
    def app_module(self) -> str:
        """Where `app` and `handler` are."""
        return f"functions.{self.name}.app"

    @property
    def jobs_module(self) -> str:
        """Where the `handler` of queue and schedule events is."""
        return f"functions.{self.name}.jobs"


def functions(folder: Path = PROJECT / "functions") -> list[Function]:
    """All functions, by name; a folder with neither `app.py` nor `jobs.py` is none."""
    found = (
        Function(entry.name, (entry / "app.py").exists(), (entry / "jobs.py").exists())
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and entry.name.isidentifier()
    )
    return [function for function in found if function.serves_http or function.handles_jobs]
