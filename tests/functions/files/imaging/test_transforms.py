"""A picture to order: its box, what of the image is in it, its format."""

from typing import Any

import pytest
from PIL import Image

from functions.files.imaging.child import Limits, Rejected
from functions.files.imaging.outcomes import TransformSpec
from functions.files.imaging.transforming import layout_of
from tests.functions.files.imaging import hostile, pictures
from tests.functions.files.imaging.conftest import Transform
from tests.functions.files.imaging.pictures import corners, encoded, near, opened, photo
from tests.functions.files.imaging.test_renditions import STORED, UPRIGHT

WIDE = encoded(photo(400, 200), "PNG")


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ({}, (400, 200)),
        ({"width": 100}, (100, 50)),
        ({"height": 50}, (100, 50)),
        ({"width": 100, "dpr": 2.0}, (200, 100)),
        ({"width": 100, "height": 100}, (100, 50)),
        ({"width": 1000, "height": 1000}, (400, 200)),
        ({"width": 1000}, (400, 200)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 1000, "height": 1000, "fit": "cover"}, (1000, 1000)),
        ({"width": 800, "fit": "cover"}, (800, 400)),
        ({"width": 100, "height": 100, "fit": "fill"}, (100, 100)),
        ({"width": 1000, "height": 300, "fit": "fill"}, (1000, 300)),
        ({"width": 100, "height": 100, "fit": "contain"}, (100, 100)),
        ({"width": 1000, "height": 900, "fit": "contain"}, (1000, 900)),
        ({"width": 1000, "fit": "contain"}, (400, 200)),
        ({"width": 1}, (1, 1)),
    ],
)
def test_a_picture_has_the_size_of_its_box(
    spec: dict[str, Any], size: tuple[int, int], transform: Transform
) -> None:
    made = transform(WIDE, format="png", **spec)
    assert (made.width, made.height) == size
    assert opened(made.path).size == size
    assert made.bytes == made.path.stat().st_size


@pytest.mark.parametrize(
    "spec",
    [
        {"width": 0},
        {"width": -5},
        {"width": 5000, "fit": "fill"},
        {"width": 2000, "dpr": 3.0, "height": 10, "fit": "fill"},
        {"width": 10, "dpr": 0.5},
        {"width": 10, "dpr": 4.0},
        {"width": 4000, "fit": "cover", "height": 5000},
    ],
)
def test_a_picture_of_no_size_or_too_much_is_rejected(spec: dict[str, Any], transform: Transform) -> None:
    with pytest.raises(Rejected) as refused:
        transform(WIDE, **spec)
    assert refused.value.code == "dimensions"


def test_an_image_larger_than_what_is_made_needs_a_size() -> None:
    with pytest.raises(Rejected):
        layout_of((5000, 5000), TransformSpec(), Limits())
    assert layout_of((5000, 5000), TransformSpec(width=4096), Limits()).canvas == (4096, 4096)


@pytest.mark.parametrize(
    ("gravity", "left", "right"),
    [
        ("west", "red", None),
        ("east", None, "green"),
        ("northwest", "red", None),
        ("southeast", None, "green"),
    ],
)
def test_cover_keeps_the_side_that_gravity_names(
    gravity: str, left: str | None, right: str | None, transform: Transform
) -> None:
    made = transform(WIDE, width=50, height=50, fit="cover", gravity=gravity, format="png")
    image = opened(made.path)
    for name, at in ((left, (0, 0)), (right, (49, 0))):
        if name is not None:
            assert near(image, at, {"red": (255, 0, 0), "green": (0, 255, 0)}[name], by=60)


def test_contain_puts_the_whole_image_on_a_transparent_canvas(transform: Transform) -> None:
    made = transform(WIDE, width=100, height=100, fit="contain", gravity="south", format="png")
    image = opened(made.path)
    assert image.getchannel("A").getpixel((50, 10)) == 0
    assert image.getchannel("A").getpixel((50, 90)) == 255
    assert corners(image.crop((0, 50, 100, 100))) == UPRIGHT


def test_jpeg_has_white_where_others_are_transparent(transform: Transform) -> None:
    made = transform(WIDE, width=100, height=100, fit="contain", format="jpeg")
    assert near(opened(made.path), (50, 5), (255, 255, 255), by=8)
    clear = encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0)), "PNG")
    assert near(opened(transform(clear, format="jpeg").path), (5, 5), (255, 255, 255), by=8)


@pytest.mark.parametrize(
    ("format_", "orientation"), [*(("JPEG", each) for each in range(2, 9)), ("PNG", 6), ("TIFF", 6)]
)
def test_a_part_of_a_turned_image_is_the_part_that_is_shown(
    format_: str, orientation: int, transform: Transform
) -> None:
    stored = photo(400, 200).transpose(STORED[orientation])
    content = pictures.with_metadata(format_, stored, orientation)
    made = transform(content, width=60, height=60, fit="cover", gravity="west", format="png")
    image = opened(made.path)
    assert near(image, (0, 0), (255, 0, 0), by=60)
    assert near(image, (0, 59), (255, 255, 255), by=60)


@pytest.mark.parametrize("format_", ["webp", "avif", "jpeg", "png"])
def test_every_format_is_what_it_says_and_has_no_metadata(format_: str, transform: Transform) -> None:
    made = transform(pictures.with_metadata("JPEG", photo(200, 100)), width=100, format=format_)
    assert made.media_type == f"image/{format_}"
    content = made.path.read_bytes()
    assert pictures.SECRET not in content
    with Image.open(made.path) as image:
        assert image.format == format_.upper()
        assert not image.getexif()
        assert "icc_profile" not in image.info
        assert corners(image) == UPRIGHT


def test_quality_changes_the_length(transform: Transform) -> None:
    content = encoded(Image.effect_noise((200, 200), 60), "PNG")
    low, high = (transform(content, format="webp", quality=quality).bytes for quality in (10, 95))
    assert low < high / 2


@pytest.mark.parametrize(("format_", "frames"), [("webp", 3), ("avif", 1), ("png", 1), ("jpeg", 1)])
def test_what_moves_moves_in_webp_alone(format_: str, frames: int, transform: Transform) -> None:
    content = pictures.moving("GIF", frames=3, size=(80, 40))
    made = transform(content, width=20, height=20, fit="cover", format=format_)
    assert made.animated is (frames > 1)
    with Image.open(made.path) as image:
        assert getattr(image, "n_frames", 1) == frames
        assert image.size == (20, 20)


def test_a_moving_picture_of_too_many_pixels_is_rejected(transform: Transform) -> None:
    content = pictures.moving("GIF", frames=3, size=(80, 40))
    with pytest.raises(Rejected) as refused:
        transform(content, Limits(animation_pixels=10_000), width=400, height=400, fit="fill")
    assert refused.value.code in ("dimensions", "too_many_pixels")


def test_a_documents_first_page_is_transformed(transform: Transform) -> None:
    made = transform(hostile.pdf(200, 100), width=100, format="png")
    assert (made.width, made.height) == (100, 50)
    assert near(opened(made.path), (2, 48), (0, 0, 255))


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"text"])
def test_what_is_no_image_is_not_transformed(content: bytes, transform: Transform) -> None:
    with pytest.raises(Rejected) as refused:
        transform(content)
    assert refused.value.code == "not_an_image"
