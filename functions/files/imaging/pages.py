"""The first page of a PDF, drawn by PDFium: no scripts, no forms, nothing fetched."""

from pathlib import Path

import pypdfium2
from PIL import Image

from functions.files.imaging.limits import Limits
from functions.files.imaging.opening import reading
from functions.files.imaging.outcomes import Rejected


def first_page(path: Path, limits: Limits) -> tuple[Image.Image, tuple[int, int], int]:
    """The first page on white, its size in points, and how many pages there are. Raises Rejected.

    However large a page says it is, it is drawn at most `limits.page_side` pixels long.
    """
    document = _document(path)
    try:
        with reading():
            pages = len(document)
            if pages < 1:
                raise Rejected("damaged")
            page = document[0]
            width, height = page.get_size()
            if not (0 < width < 1e6 and 0 < height < 1e6):
                raise Rejected("damaged")
            scale = limits.page_side / max(width, height)
            drawn = page.render(scale=scale, rev_byteorder=True).to_pil().convert("RGB")
        return drawn, (max(1, round(width)), max(1, round(height))), pages
    finally:
        document.close()


def _document(path: Path) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise Rejected("encrypted_pdf") from None
        raise Rejected("damaged") from None
