"""Programs that people use, at the network's one address: `make test-browser` brings them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from infra.local.home import PROJECT
from tests.infra.docker.network.conftest import Mailbox
from tests.infra.docker.network.test_smoke import PASSWORD, sign_up
from tests.support.emulator import running_ministack
from tests.support.network import Network
from tests.support.waiting import eventually

# So slow that of an upload what is cut off is in the middle.
BYTES_A_SECOND: Final = 8_000_000
CHROMIUM: Final = os.environ.get("LAMBKIN_CHROMIUM", "")
EXAMPLES: Final = PROJECT / "docs" / "examples"
SCREENSHOTS: Final = PROJECT / "build" / "browser"

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
    """The examples of the documentation, at an origin of their own."""
    with pages(EXAMPLES) as served:
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


@pytest.fixture
def person(browser: object) -> "Person":
    """Somebody before it."""
    return Person(browser)


class Person:
    """Somebody before a page."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self._numbers = count(1)

    def part(self, name: str) -> Any:
        """What has this id."""
        return self.browser.find_element("id", name)

    def sees(self, name: str, seconds: float = 20) -> Any:
        """The part of the page, once it is shown."""
        return eventually(lambda: self.part(name).is_displayed() and self.part(name), seconds)

    def reads(self, text: str, seconds: float = 30) -> None:
        """Wait until the page says so."""
        eventually(lambda: text in self.browser.find_element("tag name", "main").text, seconds)

    def sign_in(self, someone: Someone) -> None:
        """Fill in the form."""
        form = self.sees("sign-in")
        form.find_element("name", "email").send_keys(someone.email)
        form.find_element("name", "password").send_keys(someone.password)
        form.find_element("tag name", "button").click()

    def connect(self, *, there: bool) -> None:
        """Put the plug in, to a slow line, or pull it."""
        speed = {"downloadThroughput": -1, "uploadThroughput": BYTES_A_SECOND}
        network = {"offline": not there, "latency": 0} | speed
        self.browser.execute_cdp_cmd("Network.emulateNetworkConditions", network)

    def photograph(self, name: str) -> None:
        """Keep what the page looks like, for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(SCREENSHOTS / f"{next(self._numbers)}-{name}.png"))
