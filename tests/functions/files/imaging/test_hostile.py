"""Whatever a file is, it ends in a stated rejection, within bounds, and the next one is processed."""

import random
import time

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from functions.files.imaging.child import Decoder, Limits, Rejected
from functions.files.imaging.outcomes import CODES
from tests.functions.files.imaging import hostile
from tests.functions.files.imaging.conftest import LIMITS, Process, Refuse
from tests.functions.files.imaging.pictures import FORMATS, SECRET, encoded, photo, with_metadata

MEBIBYTE = 1024 * 1024
BOMBS = {
    "a PNG of 60,000 × 60,000": (hostile.png(60_000, 60_000), "too_many_pixels"),
    "a JPEG of 65,000 × 65,000": (hostile.jpeg(65_000, 65_000), "too_many_pixels"),
    "a WebP canvas of 16,383 × 16,383": (hostile.webp(16_383, 16_383), "too_many_pixels"),
    "a TIFF of 60,000 × 60,000": (hostile.tiff(60_000, 60_000), "too_many_pixels"),
    "a GIF canvas of 65,535 × 65,535": (hostile.gif(65_535, 65_535, 1), "too_many_pixels"),
    "a GIF of a million frames": (hostile.gif(1, 1, 1_000_000), "too_many_frames"),
    "large frames together": (hostile.gif(2_000, 2_000, 100), "too_many_pixels"),
    "entities": (hostile.entities(), "unsafe_svg"),
    "uses of uses": (hostile.uses(), "unsafe_svg"),
    "a deep drawing": (b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g>" * 400_000, "unsafe_svg"),
    "a page of a million points with a long stream": (
        hostile.pdf(1_000_000, 1_000_000, b"0 0 m " * 1_000_000),
        "damaged",
    ),
    "an encrypted document": (hostile.encrypted_pdf(), "encrypted_pdf"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_rejected_within_two_seconds_and_300_mib(
    name: str, decoder: Decoder, refuse: Refuse
) -> None:
    content, code = BOMBS[name]
    before = _spent(decoder)
    refused = refuse(content)
    assert refused.code == code
    # Seconds of a processor: what else runs here is not the file's doing.
    assert _spent(decoder) - before < 2
    assert refused.peak_bytes < 300 * MEBIBYTE


def _spent(decoder: Decoder) -> float:
    assert decoder.pid is not None
    times = psutil.Process(decoder.pid).cpu_times()
    return times.user + times.system


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_a_size_that_the_picture_does_not_have_is_rejected(format_: str, refuse: Refuse) -> None:
    assert refuse(hostile.heif(format_, 60_000, 60_000)).code in ("too_many_pixels", "damaged", "memory")


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff", b"GIF89a", b"\xff\xd8\xff", b"%PDF-1.7", b"<svg"])
def test_next_to_nothing_is_rejected(content: bytes, refuse: Refuse) -> None:
    assert refuse(content).code in ("empty", "not_an_image", "truncated", "damaged")


@pytest.mark.parametrize(
    "content", [b"hello\n", b"PK\x03\x04" + bytes(60), b"MZ" + bytes(99), b"BM" + bytes(90)]
)
def test_what_is_no_image_is_said_to_be_none(content: bytes, refuse: Refuse) -> None:
    assert refuse(content).code == "not_an_image"


def test_random_bytes_are_rejected(refuse: Refuse) -> None:
    chance = random.Random(5)  # noqa: S311 - the same bytes each time
    starts = (
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"II*\x00",
        b"%PDF-1.4\n",
        b"RIFF\xff\xff\x00\x00WEBPVP8 ",
    )
    for start in starts:
        assert refuse(start + chance.randbytes(3_000)).code in CODES


@pytest.mark.parametrize("format_", FORMATS)
def test_a_part_of_an_image_is_rejected(format_: str, refuse: Refuse) -> None:
    content = encoded(photo(200, 150), format_)
    for share in (0.1, 0.5, 0.9):
        assert refuse(content[: int(len(content) * share)]).code in ("truncated", "damaged", "not_an_image")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF"])
def test_a_part_is_rejected_where_metadata_are_kept(format_: str, refuse: Refuse) -> None:
    content = encoded(photo(200, 150), format_)
    assert refuse(content[:-40], keep_metadata=True).code in ("truncated", "damaged")


def test_a_lying_extension_of_the_content_is_no_way_in(process: Process) -> None:
    made = process(with_metadata("JPEG") + b"<script>alert(1)</script>%PDF-1.7")
    assert made.media_type == "image/jpeg"
    assert made.cleaned is not None
    assert b"script" not in made.cleaned.read_bytes()


def test_a_file_over_the_limit_is_not_opened(refuse: Refuse) -> None:
    assert refuse(encoded(photo(), "PNG"), Limits(source_bytes=10)).code == "too_large"
    assert refuse(b"<svg>" + b" " * 100, Limits(svg_bytes=50)).code == "too_large"


def test_a_large_image_is_rejected_for_memory_not_the_parent(
    decoder: Decoder, refuse: Refuse, process: Process
) -> None:
    content = encoded(Image.new("RGB", (6_000, 6_000)), "PNG", compress_level=1)
    assert refuse(content, Limits(memory_mb=200)).code == "memory"
    assert process(encoded(photo(), "PNG")).width == 96


def test_what_takes_too_long_is_stopped(refuse: Refuse, process: Process) -> None:
    content = hostile.gif(2_000, 2_000, 49)
    started = time.monotonic()
    assert refuse(content, Limits(seconds=0.3)).code == "time"
    assert time.monotonic() - started < 6
    assert process(encoded(photo(), "PNG")).width == 96


def test_an_output_over_the_limit_is_rejected(refuse: Refuse) -> None:
    content = encoded(Image.effect_noise((900, 900), 90), "PNG")
    assert refuse(content, Limits(output_bytes=2_000)).code == "output"


CHANGED = {format_: with_metadata(format_, photo(64, 48)) for format_ in FORMATS}


@pytest.mark.parametrize("format_", FORMATS)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
    )
)
def test_changed_bytes_end_ready_or_rejected(
    format_: str, changes: list[tuple[float, bytes]], process: Process
) -> None:
    content = bytearray(CHANGED[format_])
    for share, replacement in changes:
        at = int(share * len(content))
        content[at : at + len(replacement)] = replacement
    try:
        made = process(bytes(content), LIMITS)
    except Rejected as refused:
        assert refused.code in CODES.keys() - {"crashed"}, refused.detail  # noqa: PT017 - both ways are right
    else:
        assert made.renditions
        if made.cleaned is not None:
            assert SECRET not in made.cleaned.read_bytes()
