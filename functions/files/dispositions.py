"""Names in `Content-Disposition` (RFC 6266, RFC 8187)."""

import re
from typing import Final, Literal
from urllib.parse import quote

# What a file system or a shell may take for more than a name, what changes the direction or is not seen, and
# quotes of the header itself.
_UNSAFE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    r"/\\:*?\"<>|%]"
)
# To Windows, with any ending, they are no files.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_ATTR_CHARS: Final = "!#$&+-.^_`|~"
# What file systems take, less what browsers add to a name that is there.
_LONGEST_BYTES: Final = 240
_LONGEST_ENDING: Final = 10


def disposition(kind: Literal["inline", "attachment"], name: str) -> str:
    """The value of the header, for a name of any characters.

    Clients that know RFC 8187 get it in UTF-8, the others its ASCII.
    """
    safe = safe_name(name)
    ascii_name = safe.encode("ascii", "replace").decode().replace("?", "_")
    if ascii_name == safe:
        return f'{kind}; filename="{safe}"'
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(safe, safe=_ATTR_CHARS)}"


def safe_name(name: str) -> str:
    """A name that leads to no other folder, hides nothing and has no characters that mean something else."""
    safe = _UNSAFE.sub("_", name).strip(" .")
    if _DEVICE.match(safe):
        safe = f"_{safe}"
    if len(safe.encode()) > _LONGEST_BYTES:
        stem, dot, ending = safe.rpartition(".")
        kept = f".{ending}" if dot and len(ending) <= _LONGEST_ENDING else ""
        safe = _cut(stem if kept else safe, _LONGEST_BYTES - len(kept.encode())) + kept
    return safe or "file"


def _cut(text: str, length: int) -> str:
    return text.encode()[:length].decode(errors="ignore")


def rendition_name(name: str, rendition: str, media_type: str) -> str:
    """What a rendition of the file `name` is called: `beach.jpg` in 512 is `beach-512.webp`."""
    stem, dot, _ = name.rpartition(".")
    return f"{stem if dot and stem else name}-{rendition}.{media_type.rpartition('/')[2]}"
