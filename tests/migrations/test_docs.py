import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.models.revision import HEAD
from infra.commands.migrate import app
from migrations import runner
from tests.migrations.conftest import Connect, WriteRevision

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "migrations.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
ACCOUNTS = """
    insert into users (id, email, name)
    select gen_random_uuid(), n || '@lambkin.example', 'Name ' || n from generate_series(1, 2500) n
"""


def _squawk(sql: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("squawk")
    command = [str(program), "--config", str(ROOT / ".squawk.toml"), "--reporter", "gcc"]
    return subprocess.run(command, input=sql, capture_output=True, text=True, check=False)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's revisions come after the present head."""
    monkeypatch.setattr(runner, "version_folders", [*runner.version_folders, tmp_path])
    for block in BLOCKS:
        for revision in re.findall(r'^revision = "(\d+)"', block, flags=re.MULTILINE):
            (tmp_path / f"{revision}.py").write_text(block.replace('"1000"', f'"{HEAD}"'))


@pytest.mark.usefixtures("example")
def test_the_example_expands_moves_its_rows_and_contracts(
    fresh_database_url: Callable[..., str], connection_to: Connect
) -> None:
    url = fresh_database_url(migrated=True)
    connection_to(url).run(ACCOUNTS)
    runner.upgrade(url, "1001")
    connection_to(url).run("update users set sort_name = 'written by new code' where name = 'Name 7'")
    runner.upgrade(url, "1002")
    odd = "select sort_name from users where sort_name is distinct from lower(name)"
    assert connection_to(url).run(odd) == [["written by new code"]]
    runner.upgrade(url)
    nullable = (
        "select attnotnull from pg_attribute where attrelid = 'users'::regclass and attname = 'sort_name'"
    )
    assert connection_to(url).run(nullable) == [[True]]
    runner.downgrade(url, HEAD)
    assert runner.status(url).current == HEAD


@pytest.mark.usefixtures("example")
def test_the_example_and_our_migrations_pass_the_linter() -> None:
    assert runner.head_revision() == "1004"
    linted = _squawk(runner.sql())
    assert linted.returncode == 0, linted.stdout


def test_the_linter_sees_an_index_that_locks_a_table(write_revision: WriteRevision) -> None:
    write_revision("0901", "op.create_index('ix_users_name', 'users', ['name'])")
    assert "require-concurrent-index-creation" in _squawk(runner.sql()).stdout


def test_the_index_of_the_page_is_built_again_after_an_interrupted_attempt(
    fresh_database_url: Callable[..., str], connection_to: Connect, write_revision: WriteRevision
) -> None:
    url = fresh_database_url(migrated=True)
    connection_to(url).run("create index ix_users_name on users (id)")
    [block] = [block for block in BLOCKS if block.startswith("def upgrade")]
    write_revision("0901", "\n".join(line.removeprefix("    ") for line in block.splitlines()[1:]))
    runner.upgrade(url)
    made = "select pg_get_indexdef(indexrelid) from pg_index where indexrelid = 'ix_users_name'::regclass"
    assert "(name)" in connection_to(url).run(made)[0][0]


def test_the_page_names_every_command() -> None:
    commands = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    }
    assert set(re.findall(r"^\| `lambkin migrate (\w+)", PAGE, flags=re.MULTILINE)) == commands
