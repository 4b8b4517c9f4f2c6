"""Which contents may be uploaded, and which are looked at before they are given out."""

from typing import Final

from common.settings import get_settings
from functions.files.imaging.kinds import PROCESSED, TEXT, Kind, kind_of
from functions.files.problems import TypeMismatch, TypeNotAllowed

SNIFFED_BYTES = 65_536
"""So much of the beginning and of the end tells what a content is."""

# Formats without room for metadata.
_PLAIN: Final = frozenset({"image/bmp", "image/x-icon", "image/vnd.microsoft.icon"})


def admitted(ends: bytes, said: str | None) -> str:
    """The media type of a content, whatever it is called; `ends` are its beginning and its end.

    Plain text is what the client says, as nobody can tell CSV from prose. Raises TypeMismatch where it is not
    what the client `said`, TypeNotAllowed where FILE_TYPES has it not.
    """
    media_type = kind_of(ends).media_type
    compare(media_type, said)
    found = said if said and media_type == TEXT and said.startswith("text/") else media_type
    if not _allowed(found):
        allowed = ", ".join(get_settings().file_types)
        raise TypeNotAllowed(f"The content is {found}; what may be uploaded here: {allowed}.")
    return found


def compare(media_type: str, said: str | None) -> None:
    """Raise TypeMismatch where a content of this type is not what the client `said`."""
    if said is not None and not Kind(media_type).agrees_with(said):
        raise TypeMismatch(f"The content is {media_type}, and was said to be {said}.")


def _allowed(media_type: str) -> bool:
    family = media_type.partition("/")[0]
    return not {"*/*", f"{family}/*", media_type}.isdisjoint(get_settings().file_types)


def is_looked_at(media_type: str) -> bool:
    """Whether a job opens contents of this type before anybody gets them: all, where they are scanned."""
    return is_picture(media_type) or media_type in PROCESSED or get_settings().scanner_url is not None


def is_picture(media_type: str) -> bool:
    """Whether a content may say where and by whom it was taken: it is decoded, or not kept at all."""
    if get_settings().image_keep_metadata:
        return False
    return media_type.startswith("image/") and media_type not in _PLAIN


def is_decoded(media_type: str) -> bool:
    """Whether that job decodes contents of this type."""
    return media_type in PROCESSED
