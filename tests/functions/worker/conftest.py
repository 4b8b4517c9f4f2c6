from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.transactions import Database
from tests.common.jobs.aws import SetEnvironment, set_environment
from tests.common.mail.conftest import mailbox

__all__ = ["mailbox", "set_environment"]


@pytest.fixture
def owner(database_url: str, set_environment: SetEnvironment) -> Iterator[Database]:
    """The database as its owner, without jobs and without what expires."""
    assert database_url
    set_environment(QUEUES="false")
    owner = Database("")
    of_files = ("files", "uploads", "storage_usage", "file_contents")
    of_ai = ("conversations", "ai_usage", "ai_reservations", "ai_quotas")
    tables = ("jobs", *of_files, *of_ai, "users", "idempotency_keys", "rate_limits")

    def empty() -> None:
        for table in tables:
            statement = text(f"delete from {table}")
            owner.transaction(partial(Session.execute, statement=statement))

    empty()
    yield owner
    empty()
