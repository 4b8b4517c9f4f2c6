"""One Postgres a run, one database a worker, and an environment that is right before anything reads it."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

import pytest

from common.settings import get_settings
from infra.local.postgres import PostgresUnusable
from migrations.errors import MigrationError
from tests.support.postgres import Databases, PostgresDidNotStart, Server

_SERVER: Final = pytest.StashKey[Server]()
_DATABASES: Final = pytest.StashKey[Databases]()
_WORKER_INPUT: Final = "lambkin_databases"


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _distributes(config: pytest.Config) -> bool:
    return not _is_worker(config) and config.getoption("dist", "no") != "no"


def _worker_name() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def _set_environment(databases: Databases) -> None:
    os.environ["DATABASE_URL"] = databases.address(_worker_name())
    os.environ["STAGE"] = "test"
    get_settings.cache_clear()


def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config) and _WORKER_INPUT in config.workerinput:  # type: ignore[attr-defined]  # set by pytest-xdist
        url, run = config.workerinput[_WORKER_INPUT]  # type: ignore[attr-defined]  # the same
        config.stash[_DATABASES] = Databases(url, run)
        _set_environment(config.stash[_DATABASES])


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if not _is_worker(config) and not config.option.collectonly:
        try:
            _start_server(config)
        except (PostgresDidNotStart, PostgresUnusable, MigrationError) as error:
            raise pytest.UsageError(str(error)) from error
    if _DATABASES in config.stash and not _distributes(config):
        config.stash[_DATABASES].create(_worker_name())


def _start_server(config: pytest.Config) -> None:
    server = config.stash[_SERVER] = Server.start()
    config.stash[_DATABASES] = server.databases
    _set_environment(server.databases)
    server.databases.build_template()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    if _DATABASES in node.config.stash:
        databases = node.config.stash[_DATABASES]
        node.workerinput[_WORKER_INPUT] = (databases.url, databases.run)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_SERVER, None)
    if server is not None:
        server.stop()


@pytest.fixture(scope="session")
def databases(pytestconfig: pytest.Config) -> Databases:
    """The databases of this run."""
    return pytestconfig.stash[_DATABASES]


@pytest.fixture(scope="session")
def database_url() -> str:
    """The owner's URL of the worker's own database, migrated to the head. Settings hold the same."""
    return get_settings().database_url


@pytest.fixture
def fresh_database_url(databases: Databases) -> Iterator[Callable[..., str]]:
    """Makes databases for one test: `fresh_database_url()` empty, `(migrated=True)` at the head."""
    numbers = count()
    made: list[str] = []

    def make(*, migrated: bool = False) -> str:
        made.append(f"{_worker_name()}_{os.getpid()}_{next(numbers)}")
        return databases.create(made[-1], migrated=migrated)

    yield make
    for name in made:
        databases.drop(name)
