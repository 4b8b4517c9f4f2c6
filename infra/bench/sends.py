"""The child that uploads: in a form, by a presigned request, and to the bucket without us, in turns.

`{"port", "token", "clients", "rounds", "calls", "bytes"}` gives `{"form", "presigned", "bucket"}`, each with
uploads per second a round, and `steps`, the milliseconds that each request of an upload took. Each client
sends one upload after the other over connections that are kept alive. What it sends is made, and its digest
is taken, before the clock runs.
"""

import hashlib
import http.client
import json
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from functions.files import storage
from infra.local.ports import LOOPBACK

PATIENCE = 60.0  # seconds for an answer
BOUNDARY = secrets.token_hex(16)
_NUMBERS = count()


class UploadFailed(Exception):
    """An answer was not the one that was wanted."""


@dataclass(frozen=True)
class Content:
    """Bytes that nobody has sent before: equal content would be stored once."""

    sent: bytes
    digest: bytes

    @classmethod
    def make(cls, noise: bytes) -> "Content":
        """The same noise with another beginning."""
        # A zero says that it is no text: nothing is looked at as a picture.
        beginning = b"\0bench" + next(_NUMBERS).to_bytes(10)
        sent = beginning + noise[len(beginning) :]
        return cls(sent, hashlib.sha256(sent).digest())


@dataclass
class Client:
    """One after the other, over a connection to each port."""

    port: int
    token: str
    steps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _connections: dict[int, http.client.HTTPConnection] = field(default_factory=dict)

    def form(self, content: Content) -> None:
        """`POST /files`."""
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content.sent + f"\r\n--{BOUNDARY}--\r\n".encode()
        self._ours("form", "/v1/files", f"multipart/form-data; boundary={BOUNDARY}", body)

    def presigned(self, content: Content) -> None:
        """Begin, put, complete."""
        wanted = {"name": "bench.bin", "size": len(content.sent), "sha256": content.digest.hex()}
        begun = self._ours("start", "/v1/files/uploads", "application/json", json.dumps(wanted).encode())
        request = begun["request"]
        self._send("put", request["method"], request["url"], request["headers"], content.sent)
        self._ours("complete", f"/v1/files/uploads/{begun['id']}/complete", "application/json", b"{}")

    def bucket(self, content: Content) -> None:
        """The same request to the bucket, presigned here."""
        request = storage.presign_put(f"bench/{content.digest.hex()}", len(content.sent), content.digest)
        self._send("bucket", request.method, request.url, request.headers, content.sent)

    def _ours(self, step: str, path: str, media_type: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media_type}
        return json.loads(self._send(step, "POST", f"http://{LOOPBACK}:{self.port}{path}", headers, body))

    def _send(self, step: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        target = urlsplit(url)
        port = target.port or 80
        connection = self._connections.get(port)
        if connection is None:
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
            self._connections[port] = connection
        started = time.perf_counter()
        connection.request(method, f"{target.path}?{target.query}", body, dict(headers))
        answer = connection.getresponse()
        told = answer.read()
        self.steps[step].append((time.perf_counter() - started) * 1000)
        if answer.status not in (200, 201):
            raise UploadFailed(f"{step}: {answer.status} {told[:300]!r}")
        return told


WAYS: tuple[Callable[[Client, Content], None], ...] = (Client.form, Client.presigned, Client.bucket)


def uploads(way: Callable[[Client, Content], None], clients: list[Client], calls: int, noise: bytes) -> float:
    """Uploads per second, all clients together."""
    contents = [[Content.make(noise) for _ in range(calls)] for _ in clients]

    def send(client: Client, own: list[Content]) -> None:
        for content in own:
            way(client, content)

    started = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(send, clients, contents))
    return len(clients) * calls / (time.perf_counter() - started)


def rounds(question: Mapping[str, Any], clients: list[Client]) -> Iterator[tuple[str, float]]:
    """Each way in each round, in another order each time."""
    noise = secrets.token_bytes(question["bytes"])
    for way in WAYS:
        uploads(way, clients, 1, noise)  # connections, boto3
    for client in clients:
        client.steps.clear()
    for number in range(question["rounds"]):
        for way in WAYS[number % 3 :] + WAYS[: number % 3]:
            yield way.__name__, uploads(way, clients, question["calls"], noise)


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    clients = [Client(question["port"], question["token"]) for _ in range(question["clients"])]
    found: dict[str, list[float]] = defaultdict(list)
    for name, rate in rounds(question, clients):
        found[name].append(rate)
    steps = {
        step: median(took for client in clients for took in client.steps[step]) for step in clients[0].steps
    }
    json.dump({**found, "steps": steps}, sys.stdout)


if __name__ == "__main__":
    main()
