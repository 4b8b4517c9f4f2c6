"""A proxy before the bucket that counts what it sends, and that can fail in the middle."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 65_536


class BucketProxy(socketserver.ThreadingTCPServer):
    """Forwards to the bucket's service; closes a connection over which `most` bytes have come from there."""

    daemon_threads = True
    most: int | None = None

    def __init__(self, port: int) -> None:
        self.bucket_port = port
        self.sent = 0
        self.left = threading.Event()
        super().__init__(("127.0.0.1", 0), _Forwarding)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Forwarding(socketserver.BaseRequestHandler):
    server: BucketProxy

    def handle(self) -> None:
        client = self.request
        with socket.create_connection(("127.0.0.1", self.server.bucket_port)) as bucket:
            try:
                self._forward(client, bucket)
            except ConnectionError:
                self.server.left.set()

    def _forward(self, client: socket.socket, bucket: socket.socket) -> None:
        sent = 0
        while True:
            for speaker in select.select([client, bucket], [], [])[0]:
                piece = speaker.recv(_PIECE)
                if not piece:
                    if speaker is client:
                        self.server.left.set()
                    return
                if speaker is bucket:
                    sent += len(piece)
                    self.server.sent += len(piece)
                (bucket if speaker is client else client).sendall(piece)
                if self.server.most is not None and sent > self.server.most:
                    return


@contextmanager
def bucket_proxy(port: int) -> Iterator[BucketProxy]:
    """A proxy before the service on `port`."""
    with BucketProxy(port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join(10)
