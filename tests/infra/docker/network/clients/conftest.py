"""Programs that people use, at the network's one address: `make test-browser` brings them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import pytest

from infra.local.home import PROJECT
from tests.infra.docker.network.conftest import Mailbox
from tests.infra.docker.network.test_smoke import PASSWORD, sign_up
from tests.support.emulator import running_ministack
from tests.support.network import Network

CHROMIUM: Final = os.environ.get("LAMBKIN_CHROMIUM", "")
EXAMPLE: Final = PROJECT / "docs" / "examples" / "upload"

if CHROMIUM:
    # Installed by the target that sets it.
    from tests.support.browser import Pages, chromium, pages
else:
    collect_ignore_glob = ["test_*.py"]


@dataclass(frozen=True)
class Someone:
    """An account, and a client that is signed in with it."""

    email: str
    password: str
    client: httpx.Client


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A bucket that lets in the pages which its CORS rules name, as AWS does: by default it lets in all."""
    with running_ministack(tmp_path_factory.mktemp("ministack"), AUTH="true") as port:
        yield port


@pytest.fixture(scope="session")
def frontend() -> "Iterator[Pages]":
    """The example of the documentation, at an origin of its own."""
    with pages(EXAMPLE) as served:
        yield served


@pytest.fixture(scope="session")
def given(given: dict[str, str], frontend: "Pages") -> dict[str, str]:
    """The pages of that origin, and no others, may call the functions and upload."""
    return given | {"CORS_ORIGINS": frontend.origin}


@pytest.fixture(scope="session")
def address(network: Network, frontend: "Pages") -> str:
    """Where people and pages reach everything."""
    frontend.api = network.environment("files")["PUBLIC_URL"]
    return frontend.api


@pytest.fixture
def someone(client: httpx.Client, mailbox: tuple[Mailbox, int]) -> Someone:
    """Somebody who has signed up."""
    email = f"{uuid4().hex}@lambkin.example"
    tokens = sign_up(client, mailbox[0], email)
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return Someone(email, PASSWORD, client)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[object]:
    """A browser that has been nowhere yet."""
    with chromium(CHROMIUM, os.environ["LAMBKIN_CHROMEDRIVER"], tmp_path / "profile") as made:
        yield made
