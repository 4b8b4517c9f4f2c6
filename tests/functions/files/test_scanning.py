"""With a scanner, nothing is given out before it was scanned; a scanner that is down means waiting."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from common.settings import SettingsError
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.functions.files.pictures import jpeg
from tests.support.fixtures import SettingsChange
from tests.support.world import World

EVIL = b"a signature of our own: 41-99-17"


class Clamd:
    """Speaks clamd's INSTREAM. `make test-scanner` asks the real one; this one also misbehaves."""

    def __init__(self, misbehave: Callable[[socket.socket], None] | None = None) -> None:
        self.misbehave = misbehave
        self.scanned: list[bytes] = []

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                if self.misbehave:
                    self.misbehave(connection)
                else:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            assert stream.read(10) == b"zINSTREAM\0"
            content = b""
            while length := int.from_bytes(stream.read(4)):
                content += stream.read(length)
        self.scanned.append(content)
        verdict = b"stream: Lambkin.Test FOUND\0" if EVIL in content else b"stream: OK\0"
        connection.sendall(verdict)


@contextmanager
def running(clamd: Clamd, settings: SettingsChange) -> Iterator[Clamd]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings(SCANNER_URL=f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=clamd.serve, args=[listening], daemon=True)
        thread.start()
        yield clamd
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_what_the_scanner_passes_is_given_out(client: Client, settings: SettingsChange) -> None:
    with running(Clamd(), settings) as clamd:
        file = client.file()
        assert file["state"] == "processing"
        client.run_jobs()
        assert client.content(file).content == TEXT
        assert clamd.scanned == [TEXT]


def test_pictures_are_scanned_and_then_looked_at(client: Client, settings: SettingsChange) -> None:
    with running(Clamd(), settings) as clamd:
        file = client.file(jpeg(), "a.jpg", "image/jpeg")
        client.run_jobs()
        assert client.read(file)["image"]["width"] == 1200
        assert clamd.scanned == [jpeg()], "as it was uploaded"


def test_what_it_finds_is_rejected_and_not_kept(
    client: Client, bucket: Bucket, settings: SettingsChange
) -> None:
    with running(Clamd(), settings):
        file = client.file(TEXT + EVIL)
        client.run_jobs()
        rejection = client.read(file)["rejection"]
        assert rejection == {"code": "infected", "detail": "The scanner found Lambkin.Test."}
        assert bucket.keys() == []


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda connection: connection.close(),
        lambda connection: connection.sendall(b"UNKNOWN COMMAND\0"),
        lambda connection: connection.sendall(b"stream: OK"[:6]),
    ],
    ids=["hangs up", "is no clamd", "half an answer"],
)
def test_a_scanner_that_misbehaves_passes_nothing(
    client: Client, settings: SettingsChange, world: World, misbehave: Callable[[socket.socket], None]
) -> None:
    with running(Clamd(misbehave), settings):
        file = client.file()
        client.run_jobs()
        assert client.read(file)["state"] == "processing"
        assert client.call("GET", f"/{file['id']}/content").json()["code"] == "still_processing"
    with running(Clamd(), settings):
        world.run("update jobs set run_at = now() where state = 'queued' and function = 'files'")
        client.run_jobs()
        assert client.read(file)["state"] == "ready", "it waited for a scanner that works"


def test_a_scanner_that_is_not_there_means_waiting(
    client: Client, settings: SettingsChange, world: World
) -> None:
    settings(SCANNER_URL="tcp://127.0.0.1:1")
    file = client.file()
    for _ in range(12):
        client.run_jobs()
        world.run("update jobs set run_at = now() where state = 'queued' and function = 'files'")
    assert client.read(file)["state"] == "processing"
    assert world.scalar("select count(*) from jobs where state = 'dead' and function = 'files'") == 0


def test_what_is_too_long_for_the_scanner_is_not_given_out(client: Client, settings: SettingsChange) -> None:
    def too_long(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")

    with running(Clamd(too_long), settings):
        file = client.file()
        client.run_jobs()
        assert client.read(file)["rejection"]["code"] == "not_scanned"


@pytest.mark.parametrize("value", ["clamav:3310", "http://clamav:3310", "tcp://clamav", "unix://clamd"])
def test_a_scanner_that_cannot_be_reached_by_that_name_stops_the_start(
    settings: SettingsChange, value: str
) -> None:
    with pytest.raises(SettingsError, match="SCANNER_URL"):
        settings(SCANNER_URL=value)
