import asyncio
import shutil
from pathlib import Path

import pytest

from infra.local import watch


def changed(project: Path, *, write: str, also: str | None = None) -> list[str]:
    """What is told when a file is written, the watch being up."""

    async def main() -> list[str]:
        batches = watch.changes(project)
        async with asyncio.timeout(20):
            first = asyncio.ensure_future(anext(batches))
            while not first.done():  # until the watch is up, what is written is not seen
                (project / write).write_text("x")
                if also:
                    (project / also).write_text("x")
                await asyncio.wait([first], timeout=0.3)
            return first.result()

    return asyncio.run(main())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("functions/auth/__pycache__", "layers/common"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def test_a_changed_source_is_told(project: Path) -> None:
    assert changed(project, write="layers/common/app.py") == ["layers/common/app.py"]


def test_caches_and_editors_own_files_are_not(project: Path) -> None:
    told = changed(project, write="functions/auth/app.py", also="functions/auth/__pycache__/app.pyc")
    assert told == ["functions/auth/app.py"]
    shutil.rmtree(project / "layers")
    told = changed(project, write="functions/auth/mail.html", also="functions/auth/.app.py.swp")
    assert told == ["functions/auth/mail.html"]
