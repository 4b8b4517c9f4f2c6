"""Renditions are shown as the image is: turned, in sRGB, moving, and never larger."""

from pathlib import Path

import pytest
from PIL import Image, ImageCms

from functions.files.imaging.child import Limits
from tests.functions.files.imaging import hostile, pictures
from tests.functions.files.imaging.conftest import Process
from tests.functions.files.imaging.pictures import corners, encoded, opened, photo

# How an image is stored that each orientation turns upright (CIPA DC-008, tag 274).
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
UPRIGHT = ["red", "green", "blue", "white"]


TURNED = [("JPEG", each) for each in range(1, 9)] + [
    (format_, each) for format_ in ("PNG", "WEBP", "TIFF") for each in (5, 6)
]


@pytest.mark.parametrize(("format_", "orientation"), TURNED)
def test_every_orientation_ends_upright(format_: str, orientation: int, process: Process) -> None:
    stored = photo()
    if orientation > 1:
        stored = stored.transpose(STORED[orientation])
    made = process(pictures.with_metadata(format_, stored, orientation))
    assert (made.width, made.height) == (96, 64)
    assert corners(opened(made.renditions[0].path)) == UPRIGHT
    assert made.cleaned is not None
    again = process(made.cleaned.read_bytes())
    assert corners(opened(again.renditions[0].path)) == UPRIGHT


def test_renditions_are_webp_without_metadata_and_end_at_the_images_own_size(process: Process) -> None:
    made = process(pictures.with_metadata("JPEG", photo(1500, 1000)))
    assert [(each.name, each.width, each.height) for each in made.renditions] == [
        ("256", 256, 171),
        ("512", 512, 341),
        ("1024", 1024, 683),
        ("2048", 1500, 1000),
    ]
    for rendition in made.renditions:
        content = rendition.path.read_bytes()
        assert len(content) == rendition.bytes
        assert rendition.media_type == "image/webp"
        with Image.open(rendition.path) as image:
            assert image.format == "WEBP"
            assert set(image.info) <= {"background", "loop", "duration", "timestamp"}
            assert image.size == (rendition.width, rendition.height)


@pytest.mark.parametrize(
    ("size", "names"), [((1, 1), ["256"]), ((256, 3), ["256"]), ((257, 3), ["256", "512"])]
)
def test_nothing_is_enlarged(size: tuple[int, int], names: list[str], process: Process) -> None:
    made = process(encoded(photo(*size), "PNG"))
    assert [each.name for each in made.renditions] == names
    assert (made.renditions[-1].width, made.renditions[-1].height) == size


def test_a_narrow_image_keeps_a_pixel_of_width(process: Process) -> None:
    made = process(encoded(photo(3000, 1), "PNG"))
    assert [(each.width, each.height) for each in made.renditions] == [
        (256, 1),
        (512, 1),
        (1024, 1),
        (2048, 1),
    ]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_colours_are_converted_from_the_images_own_profile(format_: str, process: Process) -> None:
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    made = process(encoded(red, format_, icc_profile=pictures.profile("swapped")))
    assert pictures.near(opened(made.renditions[0].path), (16, 16), (0, 255, 0), by=60)


def test_a_broken_profile_counts_for_nothing(process: Process) -> None:
    made = process(encoded(Image.new("RGB", (32, 32), (255, 0, 0)), "JPEG", icc_profile=b"no profile at all"))
    assert pictures.near(opened(made.renditions[0].path), (16, 16), (255, 0, 0))


def test_a_profile_of_other_channels_counts_for_nothing(process: Process) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    made = process(encoded(Image.new("RGB", (32, 32), (255, 0, 0)), "JPEG", icc_profile=lab))
    assert pictures.near(opened(made.renditions[0].path), (16, 16), (255, 0, 0))


SIXTEEN = Image.frombytes("I;16", (2, 1), b"\x00\x40\x00\xc0").resize((32, 32), Image.Resampling.NEAREST)
MODES = {
    "cmyk.jpg": (encoded(Image.new("RGB", (32, 32), (255, 0, 0)).convert("CMYK"), "JPEG"), (255, 0, 0)),
    "cmyk.tif": (encoded(Image.new("RGB", (32, 32), (255, 0, 0)).convert("CMYK"), "TIFF"), (255, 0, 0)),
    "gray.jpg": (encoded(Image.new("L", (32, 32), 90), "JPEG"), (90, 90, 90)),
    "16 bits.png": (encoded(SIXTEEN, "PNG"), (64, 64, 64)),
    "16 bits.tif": (encoded(SIXTEEN, "TIFF"), (64, 64, 64)),
    "32 bits.tif": (encoded(Image.linear_gradient("L").convert("F"), "TIFF"), (2, 2, 2)),
    "palette.png": (encoded(Image.new("RGB", (32, 32), (0, 0, 255)).convert("P"), "PNG"), (0, 0, 255)),
    "one bit.png": (encoded(Image.new("1", (32, 32), 1), "PNG"), (255, 255, 255)),
    "one bit.tif": (encoded(Image.new("1", (32, 32), 1), "TIFF", compression="group4"), (255, 255, 255)),
    "lab.tif": (encoded(Image.new("LAB", (32, 32), (255, 128, 128)), "TIFF"), (255, 255, 255)),
}


@pytest.mark.parametrize("name", MODES)
def test_every_way_to_store_colours_ends_in_srgb(name: str, process: Process) -> None:
    content, expected = MODES[name]
    shown = opened(process(content).renditions[0].path)
    assert shown.mode == "RGB"
    assert pictures.near(shown, (2, 2), expected, by=12)


TRANSPARENT = {
    "RGBA": encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0)), "PNG"),
    "LA": encoded(Image.new("LA", (32, 32), (200, 0)), "PNG"),
    "P": encoded(Image.new("RGB", (32, 32), (9, 8, 7)).quantize(4), "PNG", transparency=0),
    "RGB": encoded(Image.new("RGB", (32, 32), (9, 8, 7)), "PNG", transparency=(9, 8, 7)),
    "16 bits": encoded(Image.new("I;16", (32, 32), 65_535), "PNG", transparency=65_535),
    "GIF": encoded(Image.new("P", (32, 32), 3), "GIF", transparency=3),
    "WebP": encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0)), "WEBP"),
    "AVIF": encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0)), "AVIF"),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_what_is_transparent_stays_so(name: str, process: Process) -> None:
    shown = opened(process(TRANSPARENT[name]).renditions[0].path)
    assert shown.mode == "RGBA"
    assert shown.getchannel("A").getextrema() == (0, 0)


def test_an_alpha_channel_that_hides_nothing_is_dropped(process: Process) -> None:
    made = process(encoded(photo().convert("RGBA"), "PNG"))
    assert opened(made.renditions[0].path).mode == "RGB"


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_what_moves_moves_in_every_rendition(format_: str, process: Process) -> None:
    made = process(pictures.moving(format_, frames=3, size=(300, 200)))
    assert (made.frames, made.animated) == (3, True)
    assert [(each.name, each.width, each.height) for each in made.renditions] == [
        ("256", 256, 171),
        ("512", 300, 200),
    ]
    for rendition in made.renditions:
        durations = _durations(rendition.path)
        assert durations == [50, 50, 50]
        with Image.open(rendition.path) as image:
            assert image.info["loop"] == 0


def _durations(path: Path) -> list[int]:
    found = []
    with Image.open(path) as image:
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            image.load()
            found.append(int(image.info["duration"]))
    return found


def test_what_is_transparent_around_a_moving_picture_stays_so(process: Process) -> None:
    frames = [Image.new("RGBA", (80, 80)) for _ in range(2)]
    for frame, at in zip(frames, (0, 40), strict=True):
        frame.paste((255, 0, 0, 255), (at, at, at + 40, at + 40))
    made = process(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2, loop=0))
    with Image.open(made.renditions[0].path) as image:
        assert image.convert("RGBA").getchannel("A").getpixel((70, 5)) == 0


def test_an_icon_keeps_its_colours(process: Process) -> None:
    icon = Image.new("RGB", (2, 1), (255, 0, 0))
    icon.putpixel((1, 0), (255, 255, 255))
    assert list(opened(process(encoded(icon, "PNG")).renditions[0].path).tobytes()) == [
        255,
        0,
        0,
        255,
        255,
        255,
    ]


def test_a_gif_that_plays_once_plays_once(process: Process) -> None:
    frames = [photo(20, 20).rotate(turn) for turn in (0, 40)]
    made = process(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=0))
    with Image.open(made.renditions[0].path) as image:
        assert image.info["loop"] == 1
    assert _durations(made.renditions[0].path) == [100, 100]


def test_a_long_animation_has_only_the_small_renditions_that_it_may_have(process: Process) -> None:
    made = process(hostile.gif(600, 400, 6), Limits(seconds=10, animation_output_pixels=500_000))
    assert [each.name for each in made.renditions] == ["256"]


def test_the_first_page_of_several_is_shown(process: Process) -> None:
    pages = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    made = process(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert (made.pages, made.frames, made.animated) == (2, 1, False)
    assert pictures.near(opened(made.renditions[0].path), (5, 5), (255, 0, 0))


def test_the_colours_that_dominate_are_told_in_order(process: Process) -> None:
    image = Image.new("RGB", (100, 100), (200, 30, 30))
    image.paste((20, 20, 220), (0, 0, 100, 30))
    assert process(encoded(image, "PNG")).colours == ("#c81e1e", "#1414dc")


def test_what_cannot_be_seen_has_no_colour(process: Process) -> None:
    assert process(TRANSPARENT["RGBA"]).colours == ()
