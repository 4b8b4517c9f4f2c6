import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from common.models.revision import HEAD
from common.settings import get_settings
from infra.commands.migrate import app
from migrations import runner
from migrations.lock import KEY
from tests.migrations.conftest import Connect

type Invoke = Callable[..., Result]


@pytest.fixture
def url(fresh_database_url: Callable[..., str]) -> str:
    return fresh_database_url(migrated=True)


@pytest.fixture
def migrate(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """`migrate("up")` is `lambkin migrate up` on the test's own database."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("LOG_LEVEL", "warning")
    get_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, arguments)
    monkeypatch.undo()
    get_settings.cache_clear()


def test_up_down_and_status_say_where_the_database_is(migrate: Invoke) -> None:
    assert migrate("status").output == f"At {HEAD}, head is {HEAD}.\n"
    down = migrate("down", "base")
    assert down.exit_code == 0
    assert down.output.startswith(f"At base, head is {HEAD}.\n  pending: 0001  Accounts")
    assert migrate("up").output == f"At {HEAD}, head is {HEAD}.\n"
    assert migrate("down", "-1").exit_code == 0
    assert migrate("up", "+1").exit_code == 0


def test_up_sql_prints_and_changes_nothing(migrate: Invoke, url: str) -> None:
    assert migrate("down", "base").exit_code == 0
    assert "CREATE TABLE users" in migrate("up", "--sql").output
    assert runner.status(url).current is None


def test_check_names_a_difference_and_fails(migrate: Invoke, url: str, connection_to: Connect) -> None:
    assert migrate("check").exit_code == 0
    connection_to(url).run("alter table users drop column locale")
    failed = migrate("check")
    assert failed.exit_code == 1
    assert "locale" in failed.stderr


def test_an_error_is_one_sentence_and_exit_code_1(migrate: Invoke, url: str, connection_to: Connect) -> None:
    connection_to(url).run("select pg_advisory_lock(:key)", key=KEY)
    for command in (("up",), ("down", "-1"), ("roles",)):
        failed = migrate(*command, "--wait", "0.1")
        assert failed.exit_code == 1
        assert failed.stdout == ""
        assert failed.stderr.startswith("Another migration is running: pid ")
        assert failed.stderr.count("\n") == 1


def test_new_writes_the_difference_as_the_next_revision(
    migrate: Invoke, url: str, connection_to: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = tmp_path / "versions"
    shutil.copytree(runner.FOLDER / "versions", versions)
    monkeypatch.setattr(runner, "version_folders", [versions])
    connection_to(url).run("alter table users drop column locale")
    assert migrate("new", "Add locales").exit_code == 0
    [written] = versions.glob("*_add_locales.py")
    assert written.name.removesuffix("_add_locales.py") == f"{int(HEAD) + 1:04}"
    assert migrate("up").exit_code == 0
    assert migrate("check").exit_code == 0
    assert migrate("new", "Nothing").exit_code == 0


def test_roles_converges_and_prints(migrate: Invoke) -> None:
    assert migrate("roles").exit_code == 0
    printed = migrate("roles", "--sql").output
    assert 'create role "lambkin_auth"' in printed
    assert "SCRAM-SHA-256$" in printed
