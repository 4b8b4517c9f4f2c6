"""CRC-64/NVME, as a client in Python would compute it."""

import base64
from typing import Final

_POLYNOMIAL: Final = 0x9A6C9329AC4BC9B5
_ONES: Final = 2**64 - 1


def _of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE: Final = tuple(map(_of_byte, range(256)))


def crc64nvme(content: bytes) -> str:
    """The checksum, big-endian, in base64."""
    crc = _ONES
    for byte in content:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return base64.b64encode((crc ^ _ONES).to_bytes(8)).decode()
