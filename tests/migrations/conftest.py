from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pg8000.native
import pytest
from sqlalchemy import make_url

from common.database.roles import role_name, role_password
from migrations import runner
from tests.support.postgres import connect

type Connect = Callable[[str], pg8000.native.Connection]
type WriteRevision = Callable[[str, str], None]


@pytest.fixture
def connection_to() -> Iterator[Connect]:
    """`connection_to(url)`: an autocommitting connection that is closed after the test."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(connect(make_url(url)))


@pytest.fixture
def write_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteRevision:
    """`write_revision("0002", upgrade)`: a revision after the present ones, for one test."""
    monkeypatch.setattr(runner, "version_folders", [*runner.version_folders, tmp_path])

    def write(revision: str, upgrade: str) -> None:
        lines = [
            '"""A revision of a test."""',
            "import sqlalchemy as sa",
            "from alembic import op",
            f"revision, down_revision = {revision!r}, {runner.head_revision()!r}",
            "def upgrade():",
            *(f"    {line}" for line in upgrade.splitlines()),
            "def downgrade():",
            "    pass",
        ]
        (tmp_path / f"{revision}.py").write_text("\n".join(lines))

    return write


def url_of(function: str, owner: str) -> str:
    """The URL with which a function connects to the database of `owner`'s URL."""
    url = make_url(owner)
    return url.set(username=role_name(function), password=role_password(url, function)).render_as_string(
        hide_password=False
    )
