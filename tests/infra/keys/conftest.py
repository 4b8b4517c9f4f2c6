import os
from collections.abc import Callable, Iterator

import pytest

from common.database import dispose_engines
from common.settings import get_settings
from functions.auth.signing import forget_signing_key
from tests.infra.keys.lambkin import OLD
from tests.support.fixtures import SettingsChange
from tests.support.world import World


def _forget() -> None:
    get_settings.cache_clear()
    dispose_engines()
    forget_signing_key()


@pytest.fixture
def own(fresh_database_url: Callable[..., str], settings: SettingsChange) -> Iterator[World]:
    """A database of the test's own, whose secrets are under `old.key`; functions here use it as well."""
    settings(DATABASE_URL=fresh_database_url(migrated=True), ENCRYPTION_KEYS=OLD)
    _forget()
    world = World(os.environ["DATABASE_URL"])
    yield world
    world.engine.dispose()
    _forget()
