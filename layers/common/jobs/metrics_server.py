"""`/metrics` of a container that does jobs, which serves nothing else: its neighbours may scrape it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from common import metrics
from common.client_address import is_public
from common.exposition import CONTENT_TYPE
from common.logs import get_logger

log = get_logger(__name__)


class _Answer(BaseHTTPRequestHandler):
    """GET /metrics, and nothing else."""

    # A scraper that falls silent must not keep its thread.
    timeout = 5

    def do_GET(self) -> None:
        """Answer one scrape."""
        found = self.path == "/metrics" and not is_public(self.client_address[0])
        body = metrics.render().encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a scrape every few seconds is no news."""


@contextmanager
def metrics_server(port: int) -> Iterator[None]:
    """Answer on `port` of all interfaces meanwhile; on none if it is 0. That it is taken is only logged."""
    server = _listen(port) if port else None
    if server is None:
        yield
        return
    Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _listen(port: int) -> ThreadingHTTPServer | None:
    try:
        return ThreadingHTTPServer(("0.0.0.0", port), _Answer)  # noqa: S104 - a container's; public peers get 404
    except OSError as error:
        # Jobs are worth more than their numbers.
        log.warning("metrics_port_taken", port=port, error=type(error).__name__)
        return None
