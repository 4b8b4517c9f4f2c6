import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.models.revision import HEAD
from migrations import runner
from migrations.errors import MigrationLocked
from migrations.lock import KEY
from tests.migrations.conftest import Connect, WriteRevision


def test_two_migrators_at_once_both_succeed(fresh_database_url: Callable[[], str]) -> None:
    url = fresh_database_url()
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(runner.upgrade, url) for _ in range(2)]:
            done.result(timeout=60)
    assert runner.status(url).current == HEAD


def test_a_migrator_that_waits_does_not_hold_up_an_index_built_concurrently(
    fresh_database_url: Callable[..., str], connection_to: Connect, write_revision: WriteRevision
) -> None:
    url = fresh_database_url(migrated=True)
    write_revision(
        "0901",
        "with op.get_context().autocommit_block():\n"
        "    op.create_index('ix_users_name', 'users', ['name'], postgresql_concurrently=True)",
    )
    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(runner.upgrade, url) for _ in range(3)]:
            done.result(timeout=60)
    assert connection_to(url).run(
        "select indisvalid from pg_index where indexrelid = 'ix_users_name'::regclass"
    )
    assert runner.status(url).current == "0901"


def test_a_lock_held_elsewhere_ends_in_a_clear_error_within_the_wait(
    fresh_database_url: Callable[[], str], connection_to: Connect
) -> None:
    url = fresh_database_url()
    other = connection_to(url)
    other.run("select pg_advisory_lock(:key)", key=KEY)
    [[pid]] = other.run("select pg_backend_pid()")
    started = time.monotonic()
    with pytest.raises(MigrationLocked) as locked:
        runner.upgrade(url, wait_seconds=0.3)
    assert 0.3 <= time.monotonic() - started < 5
    assert re.fullmatch(
        rf"Another migration is running: pid {pid}, since 20\S+\. Waited 0\.3 s for it\.", str(locked.value)
    )
    assert runner.status(url).current is None


def test_the_lock_is_free_again_after_a_success_and_after_a_failure(
    fresh_database_url: Callable[[], str], connection_to: Connect, write_revision: WriteRevision
) -> None:
    url = fresh_database_url()
    runner.upgrade(url, wait_seconds=0)
    write_revision("0901", "raise RuntimeError('a bug in a migration')")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a bug in a migration"):
            runner.upgrade(url, wait_seconds=5)
    assert connection_to(url).run("select pg_try_advisory_lock(:key)", key=KEY) == [[True]]


def test_databases_of_one_cluster_migrate_at_the_same_moment(fresh_database_url: Callable[[], str]) -> None:
    urls = [fresh_database_url() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(runner.upgrade, url) for url in urls]:
            done.result(timeout=60)
    assert {runner.status(url).current for url in urls} == {HEAD}
