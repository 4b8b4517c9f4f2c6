"""A file is what its content says."""

import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from functions.files.imaging.kinds import HEAD_BYTES, IMAGES, UNKNOWN, Kind, kind_of

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def _zip(**members: str) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_types", "[Content_Types].xml"), text)
    return stream.getvalue()


KNOWN = {
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "image/heif": b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf",
    "image/avif": b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    "image/tiff": b"MM\0*\0\0\0\x08",
    "image/bmp": b"BM\x10\0\0\0\0\0\0\0\x1a\0",
    "image/svg+xml": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a --><!DOCTYPE svg [<!ENTITY a "b">]>' + SVG,
    "application/pdf": b"%PDF-1.7\n",
    "application/zip": _zip(a="b"),
    "application/vnd.oasis.opendocument.text": _zip(mimetype="application/vnd.oasis.opendocument.text"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _zip(_types="x", xl__a="y"),
    "application/gzip": b"\x1f\x8b\x08",
    "application/x-elf": b"\x7fELF\x02\x01\x01",
    "application/xml": b'<?xml version="1.0"?><a/>',
    "audio/wav": b"RIFF\x10\0\0\0WAVEfmt ",
    "video/mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "video/quicktime": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "text/html": b"<!DOCTYPE html><title>A</title>",
    "text/plain": "größer\n".encode(),
    UNKNOWN: bytes(range(256)),
}


@pytest.mark.parametrize("media_type", KNOWN)
def test_content_is_known_by_its_bytes(media_type: str) -> None:
    assert kind_of(KNOWN[media_type]) == Kind(media_type)


@pytest.mark.parametrize("media_type", KNOWN)
def test_a_name_says_nothing(media_type: str, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpeg.exe"
    path.write_bytes(KNOWN[media_type])
    assert kind_of(path) == Kind(media_type)


def test_nothing_is_of_no_kind() -> None:
    assert kind_of(b"") == Kind(UNKNOWN)


def test_text_is_text_where_a_character_is_cut_in_two(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("x" + "ß" * HEAD_BYTES)
    assert kind_of(path) == Kind("text/plain")


def test_text_in_utf_16_is_text() -> None:
    assert kind_of("Grüße".encode("utf-16")) == Kind("text/plain")


def test_what_only_the_library_knows_is_known() -> None:
    assert kind_of(b"FLV\x01\x05" + bytes(20)).media_type == "video/x-flv"


def test_an_image_with_a_document_behind_it_is_the_image() -> None:
    assert kind_of(KNOWN["image/jpeg"] + b"%PDF-1.7\n").decodes
    assert kind_of(b"%PDF-1.7\n" + KNOWN["image/jpeg"]).media_type == "application/pdf"


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("image/jpeg", "image/JPG; q=1"),
        ("image/heic", "image/heif"),
        ("text/plain", "text/csv"),
        ("text/plain", "application/json"),
        ("application/xml", "application/gpx+xml"),
        ("application/zip", "application/java-archive"),
        ("application/x-ole-storage", "application/vnd.ms-excel"),
        (UNKNOWN, "application/x-my-game"),
        ("image/png", "application/octet-stream"),
    ],
)
def test_a_sender_may_call_it_so(content: str, declared: str) -> None:
    assert Kind(content).agrees_with(declared)


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        ("image/png", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("text/html", "text/plain"),
        ("text/plain", "text/html"),
        ("text/plain", "image/svg+xml"),
        (UNKNOWN, "image/jpeg"),
        (UNKNOWN, "application/zip"),
        ("application/zip", "image/png"),
        ("application/vnd.microsoft.portable-executable", "application/pdf"),
    ],
)
def test_a_sender_may_not_call_it_so(content: str, declared: str) -> None:
    assert not Kind(content).agrees_with(declared)


@pytest.mark.parametrize(
    "content",
    [b"<?xml", b"<!---->", b"<!DOCTYPE [ ] >", b"<!DOCTYPE", b"{", b"\0\0\0\x18ftyp", b"PK\x03\x04"],
)
def test_hostile_beginnings_take_no_time(content: bytes) -> None:
    started = time.process_time()
    kind_of(content * (HEAD_BYTES // len(content)))
    assert time.process_time() - started < 0.25


def test_asking_loads_no_imaging_library() -> None:
    code = (
        "import sys; from functions.files.imaging.kinds import kind_of; kind_of(b'%PDF-');"
        "print({'PIL', 'pillow_heif', 'pypdfium2', 'puremagic'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


def test_every_image_that_we_decode_is_one_we_know() -> None:
    assert set(KNOWN) >= IMAGES
