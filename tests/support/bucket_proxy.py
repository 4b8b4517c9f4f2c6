"""A proxy before the bucket that counts what it sends, and that can fail in the middle or be stopped."""

import os
import select
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 65_536


class BucketProxy(socketserver.ThreadingTCPServer):
    """Forwards to the bucket's service; closes a connection over which `most` bytes have come from there."""

    daemon_threads = True
    allow_reuse_address = True
    most: int | None = None

    def __init__(self, port: int, at: int = 0) -> None:
        self.bucket_port = port
        self.sent = 0
        self.left = threading.Event()
        super().__init__(("127.0.0.1", at), _Forwarding)

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


class StoppableBucket:
    """The bucket's service at an address where it can be stopped: connections break, new ones are refused.

    A process of its own answers there, forked: for a parent without threads.
    """

    def __init__(self, port: int) -> None:
        self._bucket_port = port
        with BucketProxy(port) as found:
            self._port: int = found.server_address[1]
        self.process = 0
        self.url = found.url

    def start(self) -> None:
        """Answer, from now on."""
        if self.process:
            return
        server = BucketProxy(self._bucket_port, self._port)
        self._ended, lives = os.pipe()
        self.process = os.fork()
        if not self.process:
            try:
                server.serve_forever()
            finally:
                os._exit(1)
        # Else who connects would wait here, and the pipe would not end with that process.
        server.socket.close()
        os.close(lives)

    def stop(self) -> None:
        """Be gone when this returns. A child of the process that started it may call it."""
        os.kill(self.process, signal.SIGKILL)
        os.read(self._ended, 1)

    def bury(self) -> None:
        """Have it stopped, if it is not yet, and be able to start again."""
        self.stop()
        os.waitpid(self.process, 0)
        os.close(self._ended)
        self.process = 0
