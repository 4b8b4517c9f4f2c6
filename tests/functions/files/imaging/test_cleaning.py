"""The stored original has no private metadata, and the pixels that it had."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from functions.files.imaging.cleaning import clean_bytes
from functions.files.imaging.cleaning.verifying import verify
from functions.files.imaging.outcomes import Rejected
from tests.functions.files.imaging import pictures
from tests.functions.files.imaging.conftest import Process, Refuse
from tests.functions.files.imaging.pictures import FORMATS, SECRET, encoded, photo, segment, with_metadata

MARKS = (SECRET, b"xmpmeta", b"GPSLatitude", b"http://ns.adobe.com", b"Photoshop 3.0", b"maker ", b"Acme")
REMOVED = {
    "JPEG": {"exif", "gps", "maker_note", "xmp", "iptc", "comment", "thumbnail", "application", "trailing"},
    "PNG": {"exif", "gps", "maker_note", "xmp", "comment", "time", "application", "trailing"},
    "WEBP": {"exif", "gps", "maker_note", "xmp"},
    "GIF": {"xmp", "comment"},
    "TIFF": {"exif", "gps", "maker_note", "xmp", "tags"},
    "HEIF": {"exif", "gps", "maker_note", "xmp"},
    "AVIF": {"exif", "gps", "maker_note", "xmp"},
}


@pytest.mark.parametrize("format_", FORMATS)
def test_an_original_loses_what_is_private_and_no_pixel(format_: str, process: Process) -> None:
    content = with_metadata(format_)
    assert SECRET in content
    made = process(content)
    assert made.cleaned is not None
    cleaned = made.cleaned.read_bytes()
    assert set(made.removed) == REMOVED[format_]
    assert [mark for mark in MARKS if mark in cleaned] == []
    assert pictures.pixels(cleaned) == pictures.pixels(content)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_second_reader_finds_nothing(format_: str, process: Process) -> None:
    made = process(with_metadata(format_))
    assert made.cleaned is not None
    with Image.open(made.cleaned) as image:
        block = image.getexif()
        assert not block.get_ifd(IFD.GPSInfo)
        assert not block.get_ifd(IFD.Exif)
        assert not set(block) & {Base.Make, Base.Model, Base.Artist, Base.ImageDescription}
        assert not image.info.get("xmp")
        assert not image.info.get("comment")


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_cleaned_has_nothing_to_remove(format_: str, process: Process) -> None:
    first = process(with_metadata(format_, orientation=1 if format_ == "GIF" else 6))
    assert first.cleaned is not None
    second = process(first.cleaned.read_bytes())
    assert (second.cleaned, second.removed) == (None, ())
    assert (second.width, second.height) == (first.width, first.height)


@pytest.mark.parametrize("format_", FORMATS)
def test_metadata_is_kept_on_request(format_: str, process: Process) -> None:
    made = process(with_metadata(format_), keep_metadata=True)
    assert (made.cleaned, made.removed) == (None, ())
    assert made.renditions


@pytest.mark.parametrize("format_", [each for each in FORMATS if each != "GIF"])
def test_what_a_camera_says_is_told(format_: str, process: Process) -> None:
    made = process(with_metadata(format_))
    assert made.camera == (None if format_ == "TIFF" else "Acme Eye 5")
    if format_ != "TIFF":
        assert made.taken_at == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
        assert made.taken_at.utcoffset() == timedelta(hours=2)


def test_a_time_without_a_zone_has_none(process: Process) -> None:
    made = process(encoded(photo(), "JPEG", exif=pictures.exif(zone=None)))
    assert made.taken_at == datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - that is what is tested


@pytest.mark.parametrize("format_", FORMATS)
def test_the_second_reader_would_find_it(format_: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(with_metadata(format_))
    with Image.open(path) as image, pytest.raises(Rejected) as refused:
        verify(path, image)
    assert refused.value.code == "metadata"


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("hidden", [b"<rdf:RDF", b"Exif\0\0MM\0*" + SECRET])
def test_the_second_reader_finds_what_no_library_shows(format_: str, hidden: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image"
    content = encoded(photo(), format_)
    path.write_bytes(content)
    with Image.open(path) as image:
        verify(path, image)
    path.write_bytes(content + bytes(3_000_000) + hidden)
    with Image.open(path) as image, pytest.raises(Rejected):
        verify(path, image)


def test_the_colour_profile_stays(process: Process) -> None:
    icc = pictures.profile()
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        made = process(encoded(photo(), format_, icc_profile=icc, exif=pictures.exif().tobytes()))
        assert made.cleaned is not None
        with Image.open(made.cleaned) as image:
            assert image.info["icc_profile"] == icc, format_


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_frames_and_loop(format_: str, process: Process) -> None:
    extra: dict[str, Any] = {"comment": SECRET} if format_ == "GIF" else {"exif": pictures.exif().tobytes()}
    content = pictures.moving(format_, **extra)
    made = process(content)
    assert made.cleaned is not None
    assert made.frames == 4
    assert pictures.pixels(made.cleaned) == pictures.pixels(content)
    with Image.open(made.cleaned) as image:
        assert image.info["loop"] == 0


def test_a_clean_image_is_left_alone(process: Process) -> None:
    made = process(encoded(photo(), "JPEG"))
    assert (made.cleaned, made.removed) == (None, ())


def test_a_thumbnail_inside_jfif_goes() -> None:
    content = encoded(photo(), "JPEG")
    length = int.from_bytes(content[4:6])
    header = segment(0xE0, content[6:18] + b"\x01\x01" + b"\xff\x00\xff")
    with_thumbnail = content[:2] + header + content[4 + length :]
    assert clean_bytes(with_thumbnail, "image/jpeg") == clean_bytes(content, "image/jpeg")


def test_metadata_between_scans_goes_too() -> None:
    content = encoded(photo(), "JPEG", progressive=True)
    at = content.rfind(b"\xff\xda")
    hidden = (
        content[:at]
        + segment(0xFE, SECRET)
        + b"\xff\xff"
        + segment(0xE1, b"Exif\0\0" + SECRET)
        + content[at:]
    )
    assert clean_bytes(hidden, "image/jpeg") == clean_bytes(content, "image/jpeg")


def test_a_document_inside_an_image_goes() -> None:
    polyglot = segment(0xFE, b"%PDF-1.7 1 0 obj")
    content = encoded(photo(), "JPEG")
    assert b"%PDF" not in clean_bytes(content[:2] + polyglot + content[2:] + b"%PDF-1.7", "image/jpeg")


def test_both_byte_orders_and_bigtiff_are_cleaned() -> None:
    for big_endian in (False, True):
        for big in (False, True):
            image = photo()
            content = encoded(image, "TIFF", big_tiff=big, software=SECRET.decode(), compression="tiff_lzw")
            if big_endian and not big:
                content = _as_motorola(image)
            cleaned = clean_bytes(content, "image/tiff")
            assert SECRET not in cleaned
            assert pictures.pixels(cleaned) == pictures.pixels(content)


def _as_motorola(image: Image.Image) -> bytes:
    from PIL import TiffImagePlugin

    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"MM")
    directory[305] = SECRET.decode()
    return encoded(image, "TIFF", tiffinfo=directory)


def test_a_cameras_raw_file_is_left_whole(refuse: Refuse) -> None:
    from PIL import TiffImagePlugin

    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[50706] = b"\x01\x04\x00\x00"
    assert refuse(encoded(photo(), "TIFF", tiffinfo=directory)).code == "unsupported"


@pytest.mark.parametrize("format_", FORMATS)
def test_a_cleaned_original_is_never_a_part(format_: str) -> None:
    content = with_metadata(format_)
    media_type = f"image/{'heic' if format_ == 'HEIF' else format_.lower()}"
    for cut in sorted({*range(16, len(content), max(1, len(content) // 150))}):
        try:
            cleaned = clean_bytes(content[:cut], media_type)
        except Rejected as refused:
            assert refused.code in ("truncated", "damaged", "unsupported")  # noqa: PT017 - both ways are right
        else:
            assert not any(mark in cleaned for mark in (SECRET, b"xmpmeta"))
