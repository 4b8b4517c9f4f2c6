"""The real clamd, with a signature of our own: `make test-files` brings it."""

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.files import scanner
from functions.files.scanner import Finding, ScannerDown
from infra.local.ports import free_port
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.support.fixtures import SettingsChange
from tests.support.waiting import eventually

CLAMD = os.environ.get("LAMBKIN_CLAMD", "")
EVIL = b"harmless, but for the signature of its digest"
MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Its addresses: a port of loopback, and a socket."""
    folder = tmp_path_factory.mktemp("clamd")
    signatures = folder / "signatures"
    signatures.mkdir()
    digest = hashlib.sha256(EVIL).hexdigest()
    (signatures / "own.hsb").write_text(f"{digest}:{len(EVIL)}:Lambkin.Test\n")
    port, path = free_port(), folder / "clamd.sock"
    configuration = folder / "clamd.conf"
    configuration.write_text(
        f"Foreground yes\nDatabaseDirectory {signatures}\nTCPSocket {port}\nTCPAddr 127.0.0.1\n"
        f"LocalSocket {path}\nTemporaryDirectory {folder}\nStreamMaxLength {MOST_BYTES}\nUser root\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([CLAMD, "--config-file", str(configuration)], stdout=log, stderr=log)
    eventually(path.exists, 60)
    eventually(lambda: _answers(port), 60)
    yield {"tcp": f"tcp://127.0.0.1:{port}", "unix": f"unix://{path}"}
    process.terminate()
    process.wait(20)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"zPING\0")
            return connection.recv(16) == b"PONG\0"
    except OSError:
        return False


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_it_tells_good_from_evil(clamd: dict[str, str], settings: SettingsChange, way: str) -> None:
    settings(SCANNER_URL=clamd[way])
    assert scanner.scan([TEXT, TEXT]) is None
    assert scanner.scan([EVIL]) == Finding("infected", "The scanner found Lambkin.Test.UNOFFICIAL.")
    assert scanner.scan([EVIL[:20], EVIL[20:]]) is not None
    assert scanner.scan([]) is None


def test_it_takes_so_much_and_no_more(clamd: dict[str, str], settings: SettingsChange) -> None:
    settings(SCANNER_URL=clamd["tcp"])
    found = scanner.scan(bytes(100_000) for _ in range(20))
    assert found is not None
    assert found.code == "not_scanned"


def test_a_file_that_it_finds_is_rejected(
    clamd: dict[str, str], client: Client, bucket: Bucket, settings: SettingsChange
) -> None:
    settings(SCANNER_URL=clamd["unix"])
    good, evil = client.file(TEXT), client.file(EVIL)
    client.run_jobs()
    assert client.read(good)["state"] == "ready"
    assert client.read(evil)["rejection"]["code"] == "infected"
    assert len(bucket.keys()) == 1


def test_what_is_no_scanner_passes_nothing(settings: SettingsChange, tmp_path: Path) -> None:
    settings(SCANNER_URL=f"unix://{tmp_path}/nothing")
    with pytest.raises(ScannerDown):
        scanner.scan([TEXT])
