"""A drawing made harmless: parsed without entities, and written anew from what is known to be safe.

Expat is the parser; it fetches nothing, and its drawing is refused at the first entity that it declares.
What nobody knows is left out, with its content. Other sanitisers keep relative references, or take a
minute for a deep drawing.
"""

import re
from dataclasses import dataclass, field
from html import escape
from typing import Final
from xml.parsers import expat

from functions.files.imaging.outcomes import Rejected
from functions.files.imaging.svg_references import References
from functions.files.imaging.svg_rules import ATTRIBUTES, ELEMENTS, referred_to, safe_attribute, style_sheet

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_MAXIMUM_DEPTH: Final = 200
_MAXIMUM_ELEMENTS: Final = 100_000
_LENGTH: Final = re.compile(r"\s*(\d{1,7}(?:\.\d*)?)\s*(px|pt|pc|mm|cm|in|Q)?\s*")
_PIXELS: Final = {None: 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
_ANIMATING: Final = frozenset({"animate", "animateTransform", "set"})
_RUNNING: Final = frozenset({"script", "handler", "listener"})


@dataclass(frozen=True, slots=True)
class Drawing:
    """A harmless drawing; its size in CSS pixels, 0 where it says none."""

    content: bytes
    width: int
    height: int
    removed: frozenset[str]


def sanitise(content: bytes) -> Drawing:
    """Write a drawing anew. Raises Rejected: `unsafe_svg`, `damaged`."""
    writer = _Writer()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.CommentHandler = writer.comment
    parser.ProcessingInstructionHandler = writer.instruction
    parser.EntityDeclHandler = _refuse_entity
    # A default is written at each of its elements: ten kilobytes become megabytes.
    parser.AttlistDeclHandler = _refuse_entity
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise Rejected("damaged", "The drawing is no well-formed XML.") from None
    if not writer.written:
        raise Rejected("damaged", "The drawing's root is no svg element.")
    writer.references.hold()
    return Drawing("".join(writer.written).encode(), *writer.size, frozenset(writer.removed))


def _refuse_entity(*_: object) -> None:
    raise Rejected("unsafe_svg", "The drawing declares entities or attributes.")


@dataclass(slots=True)
class _Writer:
    """What Expat tells, written as far as it is safe."""

    written: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    references: References = field(default_factory=References)
    size: tuple[int, int] = (0, 0)
    _depth: int = 0
    _elements: int = 0
    _left_out_at: int | None = None
    _style: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _MAXIMUM_DEPTH or self._elements > _MAXIMUM_ELEMENTS:
            raise Rejected("unsafe_svg", "The drawing is nested too deep, or has too many elements.")
        if self._left_out_at is not None:
            return
        namespace, _, element = name.rpartition(" ")
        if self._depth == 1:
            self._check_root(namespace, element)
        if namespace not in (_SVG, "") or element not in ELEMENTS or self._style is not None:
            self.removed.add(_what(namespace, element))
            self._left_out_at = self._depth
            return
        kept = self._kept(element, attributes)
        if element in _ANIMATING and "attributeName" not in kept:
            self.removed.add("handlers")
            self._left_out_at = self._depth
            return
        if self._depth == 1:
            self.size = _size(kept)
            self.written.append(f'<svg xmlns="{_SVG}"')
        else:
            self.written.append(f"<{element}")
        used = [kept["href"].removeprefix("#")] if element == "use" and "href" in kept else []
        used += [fragment for value in kept.values() for fragment in referred_to(value)]
        self.references.open(kept.get("id"), used)
        self.written += [f' {each}="{escape(value)}"' for each, value in kept.items()]
        self.written.append(">")
        self._style = [] if element == "style" else None

    def end(self, name: str) -> None:
        if self._left_out_at is None:
            if self._style is not None:
                self._end_style(self._style)
            self.references.close()
            self.written.append(f"</{name.rpartition(' ')[2]}>")
        elif self._left_out_at == self._depth:
            self._left_out_at = None
        self._depth -= 1

    def text(self, text: str) -> None:
        if self._style is not None and self._left_out_at is None:
            self._style.append(text)
        elif self._left_out_at is None:
            self.written.append(escape(text, quote=False))

    def comment(self, _: str) -> None:
        self.removed.add("comment")

    def instruction(self, target: str, _: str) -> None:
        self.removed.add("references" if target == "xml-stylesheet" else "comment")

    def _check_root(self, namespace: str, element: str) -> None:
        if element != "svg" or namespace not in (_SVG, ""):
            raise Rejected("damaged", "The drawing's root is no svg element.")

    def _end_style(self, parts: list[str]) -> None:
        before = "".join(parts)
        after = style_sheet(before)
        if len(after) < len(before.strip()) and ("@" in before or "url" in before.lower() or "\\" in before):
            self.removed.add("styles")
        self.written.append(escape(after, quote=False))
        self._style = None

    def _kept(self, element: str, attributes: dict[str, str]) -> dict[str, str]:
        kept = {}
        for name, value in attributes.items():
            namespace, _, local = name.rpartition(" ")
            plain = not namespace or (namespace == _XLINK and local == "href")
            if namespace == _XML and local in ("space", "lang"):
                kept[f"xml:{local}"] = value
                continue
            safe = safe_attribute(element, local, value) if plain and local in ATTRIBUTES else None
            if safe is not None:
                kept[local] = safe
            elif local.lower().startswith("on"):
                self.removed.add("handlers")
            elif local in ("href", "src"):
                self.removed.add("references")
            elif plain and local in ATTRIBUTES:
                self.removed.add("styles" if local == "style" else "references")
            else:
                self.removed.add("metadata")
        return kept


def _what(namespace: str, element: str) -> str:
    if element in _RUNNING:
        return "script"
    return "foreign" if element == "foreignObject" else "metadata" if namespace != _SVG else element[:20]


def _size(attributes: dict[str, str]) -> tuple[int, int]:
    """The size that a drawing says it has, else that of its view box."""
    sides = [_LENGTH.fullmatch(attributes.get(name, "")) for name in ("width", "height")]
    if all(sides):
        found = [round(float(each[1]) * _PIXELS.get(each[2], 1.0)) for each in sides if each is not None]
        return found[0], found[1]
    numbers = re.findall(r"-?\d{1,7}(?:\.\d+)?", attributes.get("viewBox", "")[:200])
    if len(numbers) == 4:
        return max(0, round(float(numbers[2]))), max(0, round(float(numbers[3])))
    return 0, 0
