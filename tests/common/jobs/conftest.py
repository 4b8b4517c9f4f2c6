import os
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.common.jobs.aws import SetEnvironment, queue, set_environment
from tests.common.jobs.recording import Jobs

__all__ = ["queue", "set_environment"]


@pytest.fixture(autouse=True)
def without_queue(set_environment: SetEnvironment) -> None:
    """No queue, unless a test asks for one."""
    set_environment(QUEUES="false")


@pytest.fixture(scope="module")
def effects_table(database_url: str) -> Iterator[None]:
    assert os.environ["DATABASE_URL"] == database_url
    owner = Jobs().owner
    made = "create table job_effects (job_id uuid not null, attempt integer not null)"
    owner.transaction(lambda session: session.execute(text(made)))
    owner.transaction(
        lambda session: session.execute(text("grant select, insert on job_effects to lambkin_worker"))
    )
    yield
    owner.transaction(lambda session: session.execute(text("drop table job_effects")))


@pytest.fixture
def jobs(effects_table: None) -> Jobs:
    """An empty table of jobs."""
    found = Jobs()
    found.owner.transaction(lambda session: session.execute(text("delete from jobs")))
    return found
