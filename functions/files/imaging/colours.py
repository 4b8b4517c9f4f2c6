"""Colours: whatever an image is stored in becomes sRGB, and those that dominate are told."""

from collections import Counter
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms
from PIL._imagingcms import CmsProfile

from functions.files.imaging.opening import reading

_SRGB: Final = ImageCms.createProfile("sRGB")
_SPACES: Final = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "LA": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
_SAMPLE_SIDE: Final = 64
_DISTINCT: Final = 40  # of 255, per channel, on average: nearer ones are one colour to the eye


# Modes of 8-bit channels that can be resampled, and what others become.
_RESIZABLE: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "LAB"})
_BECOMES: Final = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
_WITH_ALPHA: Final = {"L": "LA", "RGB": "RGBA", "P": "RGBA", "1": "LA"}
_DEEP: Final = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})


def resizable(image: Image.Image) -> Image.Image:
    """The same in a mode of 8-bit channels that can be resampled: L, LA, RGB, RGBA, CMYK, LAB."""
    if image.mode in _DEEP:
        eight = _in_8_bits(image)
        transparent = image.info.get("transparency")
        if image.mode.startswith("I;16") and isinstance(transparent, int):
            eight.putalpha(_all_but(image, transparent))
        return eight
    if "transparency" in image.info and image.mode in _WITH_ALPHA:
        return image.convert(_WITH_ALPHA[image.mode])
    return image if image.mode in _RESIZABLE else image.convert(_BECOMES.get(image.mode, "RGB"))


def _in_8_bits(image: Image.Image) -> Image.Image:
    """16-bit samples by their upper byte; wider ones, which have no fixed white, by their range."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion to L cuts off what is above 255.
        return image.convert("I").point(lambda sample: sample * (1 / 256) + 0).convert("L")
    low, high = (float(each) for each in image.getextrema())  # type: ignore[arg-type]  # one band has one pair
    if image.mode == "I" and low >= 0 and 255 < high < 65536:
        low, high = 0.0, 65535.0
    if not high > low:
        return image.point(lambda _: 0).convert("L")
    scale = 255.0 / (high - low)
    return image.point(lambda sample: sample * scale + -low * scale).convert("L")


def _all_but(image: Image.Image, sample: int) -> Image.Image:
    """The alpha channel of a 16-bit image, one sample of which is transparent (PNG, section 11.3.1.1)."""
    alphas = [255] * 65_536
    alphas[sample & 0xFFFF] = 0
    return image.convert("I").point(alphas, "L")


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA in sRGB, without metadata.

    A profile that cannot be used counts for nothing; an alpha channel that hides nothing is dropped.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    opaque = image.convert("L" if image.mode == "LA" else "RGB") if alpha is not None else image
    colour = _converted(opaque, profile)
    if colour.mode != "RGB":
        with reading():
            colour = colour.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colour.putalpha(alpha)
    if colour is image:
        # What was opened keeps its own: it is looked at again.
        colour = image.copy()
    colour.info = {}
    return colour


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        return _transformed(image, ImageCms.createProfile("LAB"))
    if not profile or _is_srgb(profile):
        return image
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        if opened.profile.xcolor_space.strip() != _SPACES.get(image.mode):
            return image
        return _transformed(image, opened)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile | CmsProfile) -> Image.Image:
    turned = ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGB")
    return turned if turned is not None else image


def _is_srgb(profile: bytes) -> bool:
    """Whether it is one of the many copies of sRGB, whose conversion would change nothing."""
    return len(profile) < 4096 and (
        b"sRGB IEC61966" in profile or b"s\x00R\x00G\x00B\x00 \x00I\x00E\x00C" in profile
    )


def dominant(image: Image.Image, most: int = 5) -> tuple[str, ...]:
    """At most `most` colours of an RGB or RGBA image, the most frequent first, as `#rrggbb`."""
    sample = image.copy()
    sample.thumbnail((_SAMPLE_SIDE, _SAMPLE_SIDE))
    counted = _counted(sample)
    chosen: list[tuple[int, int, int]] = []
    for colour, _ in counted.most_common():
        if all(_distance(colour, other) >= _DISTINCT for other in chosen):
            chosen.append(colour)
        if len(chosen) == most:
            break
    return tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in chosen)


def _counted(sample: Image.Image) -> Counter[tuple[int, int, int]]:
    """The colours of a palette made for the sample's visible pixels, and how many pixels each has."""
    visible = None
    if sample.mode == "RGBA":
        visible = sample.getchannel("A").point(lambda alpha: 255 * (alpha >= 128))
        if visible.getbbox() is None:
            return Counter()
    reduced = sample.convert("RGB").quantize(16, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = reduced.getpalette() or []
    histogram = reduced.histogram(visible)[: len(palette) // 3]
    counted: Counter[tuple[int, int, int]] = Counter()
    for index, count in enumerate(histogram):
        if count:
            red, green, blue = palette[3 * index : 3 * index + 3]
            counted[red, green, blue] += count
    return counted


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 3
