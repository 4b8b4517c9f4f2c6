"""A headless Chromium, a page at an origin of its own, and what the browser asked of whom."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

# As root, in a container, without a screen and without a network beyond loopback.
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=900,1000",
)


class Pages(ThreadingHTTPServer):
    """Serves a folder of pages at `http://localhost:PORT/<page>/`; they call the API at `api`."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.api = ""
        super().__init__(("127.0.0.1", 0), partial(_Page, directory=str(folder)))

    @property
    def origin(self) -> str:
        """What the browser says that the page comes from."""
        return f"http://localhost:{self.server_address[1]}"


class _Page(SimpleHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        if not self.path.endswith("/"):
            super().do_GET()
            return
        text = (Path(self.translate_path(self.path)) / "index.html").read_text()
        assert "http://localhost:8000" in text
        page = text.replace("http://localhost:8000", self.server.api).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *said: object) -> None:
        """Nothing."""


@contextmanager
def pages(folder: Path) -> Iterator[Pages]:
    """The folder, served."""
    with Pages(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def chromium(program: str, driver: str, profile: Path) -> Iterator[Chrome]:
    """A new browser that keeps a log of what it sends."""
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = Chrome(options, Service(driver))
    try:
        yield browser
    finally:
        # Shown by pytest where the test has failed.
        print(browser.current_url, *browser.get_log("browser"), sep="\n")  # noqa: T201 - the reason is above
        print(browser.find_element("tag name", "body").text)  # noqa: T201 - the same
        browser.quit()


@dataclass
class Sent:
    """A request of the browser, and what became of it: `status` is 0 where no answer came."""

    method: str
    url: str
    kind: str
    begun: float
    ended: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def part(self) -> int:
        """The number of the part that it brings to the bucket."""
        return int(parse_qs(urlsplit(self.url).query)["partNumber"][0])


class Traffic:
    """What a browser has sent so far, by its own account."""

    def __init__(self, browser: Chrome) -> None:
        self._browser = browser
        self._sent: dict[str, Sent] = {}
        self._earlier: list[Sent] = []

    def all(self) -> list[Sent]:
        """Every request until now, in their order; one that was redirected is several."""
        for entry in self._browser.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            self._take(event["method"], event["params"])
        return sorted([*self._earlier, *self._sent.values()], key=lambda sent: sent.begun)

    def parts(self) -> list[Sent]:
        """The requests that brought parts to the bucket, or tried."""
        return [sent for sent in self.all() if sent.method == "PUT" and "partNumber=" in sent.url]

    def _take(self, event: str, said: dict[str, Any]) -> None:
        name = said.get("requestId", "")
        if event == "Network.requestWillBeSent":
            if "redirectResponse" in said:
                before = self._sent.pop(name)
                before.status = said["redirectResponse"]["status"]
                self._earlier.append(before)
            request = said["request"]
            kind, headers = said.get("type", ""), request["headers"]
            begun = said["timestamp"]
            self._sent[name] = Sent(request["method"], request["url"], kind, begun, headers=headers)
        elif name in self._sent:
            if event == "Network.responseReceived":
                self._sent[name].status = said["response"]["status"]
            if event in ("Network.loadingFinished", "Network.loadingFailed"):
                self._sent[name].ended = said["timestamp"]
