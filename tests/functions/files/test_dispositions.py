"""Names in `Content-Disposition`, as other people's readers take them."""

import re
import subprocess
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from functions.files.dispositions import disposition, rendition_name, safe_name

HOSTILE = {
    "../../etc/passwd": "_.._etc_passwd",
    "..": "file",
    ".": "file",
    "...": "file",
    ".bashrc": "bashrc",
    "a/b\\c.txt": "a_b_c.txt",
    "C:\\boot.ini": "C__boot.ini",
    'x"; filename="evil.exe': "x_; filename=_evil.exe",
    "a\r\nSet-Cookie: x=1": "a__Set-Cookie_ x=1",
    "a\x00b\x1b[31m": "a_b_[31m",
    "photo\u202egpj.exe": "photo_gpj.exe",
    "a\u2066b\u2069": "a_b_",
    "a\u200eb\u200f\u061c": "a_b__",
    "%2e%2e%2fx": "_2e_2e_2fx",
    "~/x; rm -rf *|<>?": "~_x; rm -rf _____",
    " spaced.txt ": "spaced.txt",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "über.txt": "über.txt",
    "日本語.pdf": "日本語.pdf",
    "it's 100!.txt": "it's 100!.txt",
    "😀" * 255: "😀" * 60,
    "x" * 250 + ".jpeg": "x" * 235 + ".jpeg",
    "a." + "é" * 250: "a." + "é" * 119,
    "": "file",
}


@pytest.mark.parametrize(("name", "safe"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_a_name_leads_nowhere_and_hides_nothing(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe_name(name).encode()) <= 240


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["inline", "attachment"])
def test_pythons_reader_finds_the_name_and_nothing_else(name: str, kind: str) -> None:
    header = disposition(kind, name)  # type: ignore[arg-type]  # one of the two
    assert header.isascii()
    assert header.isprintable()
    message = EmailMessage(HTTP)
    message["Content-Disposition"] = header
    assert message["Content-Disposition"].content_disposition == kind
    assert message.get_filename() in (
        safe_name(name),
        safe_name(name).encode("ascii", "replace").decode().replace("?", "_"),
    )
    extended = re.search(r"filename\*=UTF-8''(\S+)$", header)
    if extended:
        assert unquote(extended[1]) == safe_name(name)
    else:
        assert safe_name(name).isascii()


def test_a_rendition_is_called_after_its_file() -> None:
    assert rendition_name("beach.jpg", "512", "image/webp") == "beach-512.webp"
    assert rendition_name("beach", "512", "image/webp") == "beach-512.webp"
    assert rendition_name(".jpg", "512", "image/webp") == ".jpg-512.webp"


class _Naming(BaseHTTPRequestHandler):
    header = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Disposition", self.header)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def naming() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Naming) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/content"
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize(
    "name", ["../../up.txt", "/etc/passwd", "a\r\nb.txt", 'q"uote".txt', "beach.jpg", "..\\up"]
)
def test_curl_saves_it_where_it_stands(naming: str, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    _Naming.header = disposition("attachment", name)
    subprocess.run(["curl", "-sS", "--max-time", "10", "-OJ", naming], cwd=folder, check=True)  # noqa: S607 - the one on the PATH
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found == [folder / safe_name(name)]
