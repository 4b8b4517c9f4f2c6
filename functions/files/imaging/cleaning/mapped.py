"""A file as bytes at offsets, of which the system holds in memory what it likes."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from functions.files.imaging.outcomes import Rejected

_COPIED_AT_ONCE: Final = 4 * 1024 * 1024


class Mapped:
    """The bytes of a file. What reads beyond its end raises Rejected: `truncated`."""

    def __init__(self, content: mmap.mmap | bytes) -> None:
        self.content = content
        self.size = len(content)

    def at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, all of them."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Rejected("truncated")
        return self.content[offset : offset + length]

    def big(self, offset: int, length: int) -> int:
        """An unsigned number, its first byte the highest."""
        return int.from_bytes(self.at(offset, length), "big")

    def little(self, offset: int, length: int) -> int:
        """An unsigned number, its first byte the lowest."""
        return int.from_bytes(self.at(offset, length), "little")

    def copy(self, start: int, end: int, out: IO[bytes]) -> None:
        """Append the bytes from `start` to before `end` to another file."""
        if not 0 <= start <= end <= self.size:
            raise Rejected("truncated")
        for offset in range(start, end, _COPIED_AT_ONCE):
            out.write(self.content[offset : min(end, offset + _COPIED_AT_ONCE)])


@contextmanager
def mapped(path: Path) -> Iterator[Mapped]:
    """The file, until the block ends. Raises Rejected where it is empty."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise Rejected("empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield Mapped(content)
