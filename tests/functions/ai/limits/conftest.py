import os
from collections.abc import Iterator

import pytest

from tests.support.world import Person, World

# They take their time: `make test-limits` runs them.
collect_ignore = [] if os.environ.get("LAMBKIN_LIMITS") else ["test_processes.py"]


@pytest.fixture
def puller(world: World) -> Iterator[Person]:
    """An administrator, where nothing is pulled yet."""

    def forget() -> None:
        world.run("delete from model_pulls")
        world.run("delete from jobs where task = 'pull_models'")

    forget()
    yield world.person(roles=["admin"])
    forget()
