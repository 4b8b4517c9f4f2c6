"""What a file is, by its content: never by its name, and never by what its sender says.

Cheap to import: no imaging library, and the detection library only for what our own table does not know.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from functions.files.imaging.signatures import ALIASES, BRANDS, OOXML, RIFF, SIGNATURES

IMAGES: Final = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/avif",
        "image/tiff",
    }
)
"""Media types that we decode."""

PROCESSED: Final = IMAGES | {"image/svg+xml", "application/pdf"}
"""Media types that `Decoder.process` takes: images, drawings to sanitise, documents with a first page."""

UNKNOWN: Final = "application/octet-stream"
TEXT: Final = "text/plain"
HEAD_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 64 * 1024
# Below this the library guesses from two or three bytes.
_CONFIDENCE: Final = 0.4
_LIBRARY_BYTES: Final = 4096
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_XML_PROLOGUE: Final = re.compile(
    # Atomic, all of it: a prologue is read once, whatever comes after it.
    r"\ufeff?\s*+(?>(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?>\[.*?\]\s*+)?>)\s*+)*+<(?>[\w.-]++:)?(?P<root>[\w.-]++)",
    re.DOTALL | re.IGNORECASE,
)
_TEXTUAL: Final = re.compile(
    r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|x-javascript|ecmascript|typescript|sql"
    r"|x-sh|x-httpd-php|x-python|x-ndjson|json-seq|csv|x-subrip|graphql|x-tex|x-latex|x-pem-file|pgp-.+)"
)
_ZIPPED: Final = re.compile(r"application/(?:.+\+zip|java-archive|vnd\..+|x-.+|zip)")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file's content is: a media type in lower case, without parameters (RFC 9110, section 8.3.1)."""

    media_type: str

    @property
    def decodes(self) -> bool:
        """Whether it is an image that we decode; only decoding tells whether it is a whole one."""
        return self.media_type in IMAGES

    def agrees_with(self, declared: str) -> bool:
        """Whether a sender may call this content `declared`: parameters, case and old names aside.

        Plain text may be called any kind of text (nobody can tell CSV from prose), a zip whatever is built on
        zip, content without a signature anything that has none, and all content `application/octet-stream`.
        """
        name = declared.partition(";")[0].strip().lower()
        name, own = ALIASES.get(name, name), ALIASES.get(self.media_type, self.media_type)
        if name in (UNKNOWN, "", own):
            return True
        if own in (TEXT, "application/xml"):
            return _TEXTUAL.fullmatch(name) is not None and name != "text/html"
        if own == "application/zip":
            return _ZIPPED.fullmatch(name) is not None
        if own == "application/x-ole-storage":
            return name.startswith(("application/vnd.ms-", "application/msword", "application/x-msi"))
        return own == UNKNOWN and not _has_a_signature(name)


def kind_of(content: Path | bytes) -> Kind:
    """What the file, or the file of these bytes, is; `application/octet-stream` where nobody knows.

    Reads at most 64 KiB of either end. Raises OSError where the file cannot be read.
    """
    if isinstance(content, bytes):
        return Kind(
            _media_type(content[:HEAD_BYTES], content[-_TAIL_BYTES:], whole=len(content) <= HEAD_BYTES)
        )
    with content.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return Kind(_media_type(head, file.read(_TAIL_BYTES), whole=size <= HEAD_BYTES))


def _media_type(head: bytes, tail: bytes, *, whole: bool) -> str:
    found = _by_signature(head, tail)
    if found is None and head:
        found = _of_text(head, whole=whole) or _by_library(head[:_LIBRARY_BYTES], tail[-_LIBRARY_BYTES:])
    return found or UNKNOWN


def _by_signature(head: bytes, tail: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] in RIFF:
        return RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _of_zip(head, tail)
    for offset, signature, media_type in SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    return None


def _by_brand(head: bytes) -> str | None:
    """By the brands which an ISO base media file names, the major one first (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4]), len(head), 512)
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    for brands in ({major}, compatible):
        for known, media_type in BRANDS:
            # `mif1` says only that it is a HEIF: the codec is in the others.
            if known & brands and (media_type != "image/heif" or brands is compatible):
                return media_type
    return None


def _of_zip(head: bytes, tail: bytes) -> str:
    """What is built on the zip: OpenDocument and EPUB say it in their first member, Office in its names."""
    name_length = int.from_bytes(head[26:28], "little")
    if head[30 : 30 + name_length] == b"mimetype":
        extra, size = int.from_bytes(head[28:30], "little"), int.from_bytes(head[18:22], "little")
        start = 30 + name_length + extra
        stated = head[start : start + min(size, 100)].decode("ascii", "replace").strip()
        if re.fullmatch(r"application/[a-z0-9.+-]+", stated):
            return stated
    if b"[Content_Types].xml" in head or b"[Content_Types].xml" in tail:
        for folder, media_type in OOXML.items():
            if folder in tail:
                return media_type
    return "application/zip"


def _of_text(head: bytes, *, whole: bool) -> str | None:
    text = _decoded(head, whole=whole)
    if text is None:
        return None
    found = _XML_PROLOGUE.match(text)
    root = found["root"].lower() if found else ""
    if root == "svg":
        return "image/svg+xml"
    start = text.lstrip("\ufeff \t\r\n")[:14].lower()
    if root in ("html", "head", "body", "script", "iframe") or start.startswith("<!doctype html"):
        return "text/html"
    return "application/xml" if start.startswith("<?xml") else TEXT


def _decoded(head: bytes, *, whole: bool) -> str | None:
    """As text: UTF-8 without control characters, or UTF-16 with its mark; None where it is neither."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding, head = "utf-16", head[: len(head) // 2 * 2]
    elif _CONTROLS.search(head):
        return None
    else:
        encoding = "utf-8"
    for cut in (0,) if whole else (0, 1, 2, 3):
        try:
            return head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _by_library(head: bytes, tail: bytes) -> str | None:
    """What the detection library takes it for: by its table of signatures, never by scanning the file."""
    from puremagic.main import identify_all

    for match in identify_all(head, tail):
        if match.mime_type and match.confidence >= _CONFIDENCE:
            media_type = match.mime_type.lower()
            # Those we know ourselves, and better: they would have been found.
            return None if _has_a_signature(media_type) or media_type in PROCESSED else media_type
    return None


def _has_a_signature(media_type: str) -> bool:
    tables = (
        {known for *_, known in SIGNATURES},
        {known for _, known in BRANDS},
        set(RIFF.values()),
        set(OOXML.values()),
        PROCESSED,
        {"application/zip", "text/html"},
    )
    return any(media_type in table for table in tables)
