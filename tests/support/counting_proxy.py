"""A proxy before Postgres that counts round trips."""

import select
import socket
import socketserver

from sqlalchemy import URL


class CountingProxy(socketserver.ThreadingTCPServer):
    """Forwards to the database and counts how often the client spoke after the server had."""

    daemon_threads = True
    round_trips = 0

    def __init__(self, url: URL) -> None:
        self.database = (url.host, url.port)
        super().__init__(("127.0.0.1", 0), Forwarding)


class Forwarding(socketserver.BaseRequestHandler):
    server: CountingProxy

    def handle(self) -> None:
        client, last = self.request, None
        with socket.create_connection(self.server.database) as database:
            while True:
                for speaker in select.select([client, database], [], [])[0]:
                    chunk = speaker.recv(65536)
                    if not chunk:
                        return
                    if speaker is client is not last:
                        self.server.round_trips += 1
                    last = speaker
                    (database if speaker is client else client).sendall(chunk)
