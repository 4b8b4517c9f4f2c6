"""Pictures that the tests make."""

from io import BytesIO

from PIL import Image
from PIL.TiffImagePlugin import IFDRational


def jpeg(width: int = 1200, height: int = 800, *, gps: bool = True, colour: str = "#3a6ea5") -> bytes:
    """A photograph that says where, when and with what it was taken."""
    image = Image.new("RGB", (width, height), colour)
    exif = image.getexif()
    exif[0x010F], exif[0x0110] = "Lambkin", "Pocket 1"
    exif.get_ifd(0x8769)[0x9003] = "2026:05:04 10:11:12"
    if gps:
        place = exif.get_ifd(0x8825)
        place[1], place[2] = "N", (IFDRational(48), IFDRational(12), IFDRational(30))
    written = BytesIO()
    image.save(written, "JPEG", exif=exif)
    return written.getvalue()


SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">'
    b'<script>alert(1)</script><rect width="9" height="9"/></svg>'
)
