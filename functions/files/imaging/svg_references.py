"""How much a drawing becomes when every `use` is put in its place: ten lines can be a billion elements."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from functions.files.imaging.outcomes import Rejected

_MOST: Final = 500_000


@dataclass(slots=True)
class References:
    """What is in each part that has a name, and what it uses; the drawing itself is the part without one."""

    _open: list[str] = field(default_factory=lambda: [""])
    _named: list[bool] = field(default_factory=list)
    _elements: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _inner: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def open(self, name: str | None, used: list[str]) -> None:
        """An element begins."""
        self._elements[self._open[-1]] += 1
        self._named.append(name is not None)
        if name is not None:
            # A part counts where it stands, as well as where it is used.
            self._inner[self._open[-1]].append(name)
            self._open.append(name)
        self._inner[self._open[-1]] += used

    def close(self) -> None:
        """The innermost open element ends."""
        if self._named.pop():
            self._open.pop()

    def hold(self) -> None:
        """Raises Rejected: `unsafe_svg` where the drawing unfolds to too much, or into itself."""
        sizes: dict[str, int] = {}
        being_counted: set[str] = set()
        waiting = [""]
        while waiting:
            name = waiting[-1]
            missing = [each for each in self._inner[name] if each not in sizes]
            if name in sizes or not missing:
                sizes[name] = self._elements[name] + sum(sizes[each] for each in self._inner[name])
                being_counted.discard(name)
                waiting.pop()
            elif name in being_counted and any(each in being_counted for each in missing):
                raise Rejected("unsafe_svg", "The drawing uses itself.")
            else:
                being_counted.add(name)
                waiting += missing
            if sizes.get(name, 0) > _MOST:
                raise Rejected("unsafe_svg", "The drawing unfolds to too many elements.")
