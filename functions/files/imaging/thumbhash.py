"""ThumbHash: an image in about 25 bytes, after what https://evanw.github.io/thumbhash/ publishes.

A few terms of a discrete cosine transform of luminance, two colour axes and alpha, each in 4 bits. Our
own code: the transform is done along rows, then along columns, which the library in pure Python does
pixel by pixel.
"""

import base64
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from PIL import Image

# The published limit is 100; so few terms are the same from fewer samples.
_SIDE: Final = 48
# What sums of floating-point numbers leave of nothing.
_NOTHING: Final = 1e-9
type _Terms = tuple[float, list[float], float]


class _Channels(NamedTuple):
    luminance: list[float]
    yellow_blue: list[float]
    red_green: list[float]
    alpha: list[float]


def thumbhash(image: Image.Image) -> str:
    """The hash of an RGB or RGBA image, in base64."""
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    small = small.convert("RGBA")
    return base64.b64encode(_hashed(small)).decode()


def _hashed(image: Image.Image) -> bytes:
    width, height = image.size
    channels, has_alpha = _channels(image)
    limit = 5 if has_alpha else 7
    longest = max(width, height)
    terms_x = max(1, _rounded(limit * width / longest))
    terms_y = max(1, _rounded(limit * height / longest))
    light = _encoded(channels.luminance, width, height, max(3, terms_x), max(3, terms_y))
    colours = [_encoded(each, width, height, 3, 3) for each in (channels.yellow_blue, channels.red_green)]
    (p_dc, _, p_scale), (q_dc, _, q_scale) = colours
    header = _rounded(63 * light[0]) | _rounded(31.5 + 31.5 * p_dc) << 6 | _rounded(31.5 + 31.5 * q_dc) << 12
    header |= _rounded(31 * light[2]) << 18 | has_alpha << 23
    landscape = width > height
    second = (terms_y if landscape else terms_x) | _rounded(63 * p_scale) << 3
    second |= _rounded(63 * q_scale) << 9 | landscape << 15
    head = header.to_bytes(3, "little") + second.to_bytes(2, "little")
    varying = [light, *colours]
    if has_alpha:
        alpha = _encoded(channels.alpha, width, height, 5, 5)
        head += bytes((_rounded(15 * alpha[0]) | _rounded(15 * alpha[2]) << 4,))
        varying.append(alpha)
    nibbles = [_rounded(15 * each) for _, terms, _ in varying for each in terms]
    nibbles += [0] * (len(nibbles) % 2)
    return head + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def _rounded(value: float) -> int:
    """As JavaScript rounds, which the algorithm is written in: halves go up."""
    return math.floor(value + 0.5)


def _channels(image: Image.Image) -> tuple[_Channels, bool]:
    """The four channels; what is transparent has the average colour."""
    content = image.tobytes()
    reds, greens, blues, alphas = (content[offset::4] for offset in range(4))
    weight = sum(alphas) / 255
    average = [
        sum(alpha * value for alpha, value in zip(alphas, values, strict=True)) / 255 / 255 / (weight or 1)
        for values in (reds, greens, blues)
    ]
    channels = _Channels([], [], [], [])
    for red, green, blue, alpha in zip(reds, greens, blues, alphas, strict=True):
        share = alpha / 255
        r, g, b = (
            mean * (1 - share) + share / 255 * value
            for mean, value in zip(average, (red, green, blue), strict=True)
        )
        channels.luminance.append((r + g + b) / 3)
        channels.yellow_blue.append((r + g) / 2 - b)
        channels.red_green.append(r - g)
        channels.alpha.append(share)
    return channels, weight < len(alphas)


def _encoded(channel: list[float], width: int, height: int, terms_x: int, terms_y: int) -> _Terms:
    """The constant term, the varying ones from 0 to 1, and their scale."""
    along_x = _cosines(terms_x, width)
    along_y = _cosines(terms_y, height)
    rows = [channel[start : start + width] for start in range(0, width * height, width)]
    by_x = [[_dot(row, wave) for row in rows] for wave in along_x]
    constant = _dot(by_x[0], along_y[0]) / (width * height)
    terms = [
        _dot(by_x[x], along_y[y]) / (width * height)
        for y in range(terms_y)
        for x in range(terms_x)
        # The corner of low frequencies, less the constant.
        if (x or y) and x * terms_y < terms_x * (terms_y - y)
    ]
    scale = max((abs(each) for each in terms), default=0.0)
    if scale < _NOTHING:
        return constant, [0.0] * len(terms), 0.0
    return constant, [0.5 + 0.5 / scale * each for each in terms], scale


def _cosines(terms: int, length: int) -> list[list[float]]:
    return [[math.cos(math.pi / length * term * (at + 0.5)) for at in range(length)] for term in range(terms)]


def _dot(values: Sequence[float], wave: Sequence[float]) -> float:
    return sum(value * factor for value, factor in zip(values, wave, strict=True))
