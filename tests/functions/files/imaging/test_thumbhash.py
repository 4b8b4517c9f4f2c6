"""ThumbHash as it is published."""

import base64

import pytest
from PIL import Image

from functions.files.imaging.thumbhash import thumbhash


def _sample(width: int, height: int) -> Image.Image:
    """Slopes and curves that are symmetrical in nothing, so that no term falls between two values."""
    slope = Image.linear_gradient("L").rotate(17).resize((width, height))
    curve = Image.radial_gradient("L").crop((40, 10, 230, 250)).resize((width, height))
    third = Image.linear_gradient("L").rotate(101).resize((width, height)).point(lambda each: each // 3 + 40)
    return Image.merge("RGB", (slope, curve, third))


# What the published algorithm gives for them, computed pixel by pixel.
SAMPLES = {
    "landscape": (_sample(48, 31), "GfkJNZKCd3eAiZiahYeHh5pwawIY"),
    "portrait": (_sample(20, 47), "GfkJMxKCcKlZeId4mnBrAgc="),
    "square": (_sample(33, 33), "GfkJNxKCd3dwiZiahYeHd3hopwm3JoAB"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_hash_is_the_published_one(name: str) -> None:
    image, expected = SAMPLES[name]
    assert thumbhash(image) == expected


def test_alpha_is_told_and_adds_its_terms() -> None:
    image = _sample(32, 32)
    image.putalpha(Image.linear_gradient("L").resize((32, 32)))
    content = base64.b64decode(thumbhash(image))
    assert content[2] & 0x80
    assert content[5] & 15 == round(15 * 0.5)


def test_one_colour_has_no_terms() -> None:
    assert base64.b64decode(thumbhash(Image.new("RGB", (20, 10), (10, 200, 30))))[5:].strip(b"\x00") == b""


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (1, 3), (48, 48)])
def test_every_size_has_a_short_hash(size: tuple[int, int]) -> None:
    assert 5 <= len(base64.b64decode(thumbhash(Image.new("RGB", size, (1, 2, 3))))) <= 30
