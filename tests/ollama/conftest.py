import os
from typing import Final

import pytest

from common.ollama import breaker
from tests.ollama import real
from tests.support.fixtures import SettingsChange

ASKED: Final = os.environ.get("LAMBKIN_OLLAMA", "")
# They need an Ollama: `make test-ollama` says where it is.
collect_ignore_glob = [] if ASKED else ["test_*.py"]


@pytest.fixture(autouse=True)
def _served(settings: SettingsChange) -> None:
    """Functions ask that Ollama."""
    settings(OLLAMA_URL=ASKED, OLLAMA_FIRST_TOKEN_SECONDS="300", OLLAMA_IDLE_SECONDS="120")
    breaker().reset()


@pytest.fixture(scope="session")
def able() -> frozenset[str]:
    """What the model can."""
    return real.can(real.MODEL)
