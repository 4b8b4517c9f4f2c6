"""CRC-64/NVME of a whole from those of its parts, so that nobody reads the whole again.

Of A and B it is crc(A) · x^(8 · |B|) + crc(B), over GF(2) modulo the generator. In numbers here the lowest
power of x is the highest bit, as that CRC is reflected (NVM Command Set Specification, section 5.2.1.3.4).
"""

import base64
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_GENERATOR: Final = 0x9A6C9329AC4BC9B5
_ONE: Final = 1 << 63
_X: Final = 1 << 62


def combined(parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of all bytes, from each part's and its length in bytes; big-endian, in base64.

    Raises ValueError for what is no such checksum.
    """
    whole = 0
    for checksum, length in parts:
        number = int.from_bytes(base64.b64decode(checksum, validate=True))
        whole = _multiplied(whole, _power(8 * length)) ^ number
    return base64.b64encode(whole.to_bytes(8)).decode()


@lru_cache(maxsize=64)
def _power(exponent: int) -> int:
    """X to the `exponent`, modulo the generator."""
    found, square = _ONE, _X
    while exponent:
        if exponent & 1:
            found = _multiplied(found, square)
        square = _multiplied(square, square)
        exponent >>= 1
    return found


def _multiplied(a: int, b: int) -> int:
    product, mask = 0, _ONE
    while mask:
        if a & mask:
            product ^= b
        b = b >> 1 ^ (_GENERATOR if b & 1 else 0)
        mask >>= 1
    return product
