"""Pictures that are made here: none is committed."""

import hashlib
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

pillow_heif.register_heif_opener()

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="52,31N"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
SECRET = b"Jane Doe, 12 Elm Street"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "HEIF", "AVIF")


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """Red, green, blue and white at the corners, clockwise from the upper left."""
    corners = Image.new("RGB", (2, 2))
    corners.putpixel((0, 0), (255, 0, 0))
    corners.putpixel((1, 0), (0, 255, 0))
    corners.putpixel((1, 1), (0, 0, 255))
    corners.putpixel((0, 1), (255, 255, 255))
    return corners.resize((width, height), Image.Resampling.BILINEAR)


def exif(orientation: int = 1, *, zone: str | None = "+02:00") -> Image.Exif:
    """Everything that a camera tells."""
    block = Image.Exif()
    block[Base.Make] = "Acme"
    block[Base.Model] = "Acme Eye 5"
    block[Base.Orientation] = orientation
    block[Base.Artist] = SECRET.decode()
    detail = block.get_ifd(IFD.Exif)
    detail[Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    if zone:
        detail[Base.OffsetTimeOriginal] = zone
    detail[Base.MakerNote] = b"maker " + SECRET
    place = block.get_ifd(IFD.GPSInfo)
    place[GPS.GPSLatitudeRef] = "N"
    place[GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    return block


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def with_metadata(format_: str, image: Image.Image | None = None, orientation: int = 1) -> bytes:
    """A picture with all the private metadata that its format has room for."""
    image = image or photo()
    plain: dict[str, Any] = {
        "JPEG": {"quality": 90, "comment": SECRET, "xmp": XMP},
        "PNG": {},
        "GIF": {"comment": SECRET},
        "WEBP": {"lossless": True, "xmp": XMP},
        "HEIF": {"quality": 90, "xmp": XMP},
        "AVIF": {"quality": 90, "speed": 10, "xmp": XMP},
    }
    if format_ == "TIFF":
        return _tiff(image, orientation)
    content = encoded(image, format_, exif=exif(orientation).tobytes(), **plain[format_])
    more = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif}.get(format_)
    return more(content) if more else content


def _jpeg(content: bytes) -> bytes:
    """With IPTC, a thumbnail in JFIF's header, an unknown segment, and a second picture behind the end."""
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x20\x1c\x02\x50\x00\x17" + SECRET + b"\x00\x00"
    parts = segment(0xED, iptc) + segment(0xE0, b"JFXX\x00\x13\x01\x01" + SECRET) + segment(0xEB, SECRET)
    return content[:2] + parts + content[2:] + content


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _png(content: bytes) -> bytes:
    parts = chunk(b"tEXt", b"Author\x00" + SECRET)
    parts += chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(SECRET))
    parts += chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + XMP)
    parts += chunk(b"tIME", b"\x07\xe8\x05\x06\x07\x08\x09") + chunk(b"prVt", SECRET)
    return content[:33] + parts + content[33:] + SECRET


def _gif(content: bytes) -> bytes:
    """With XMP as its specification wants it: not in sub-blocks, but with a trailer that ends any reading."""
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    return content[:start] + b"\x21\xff\x0bXMP DataXMP" + XMP + trailer + content[start:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _tiff(image: Image.Image, orientation: int) -> bytes:
    """Directories by hand: Pillow writes no GPS of its own."""
    pixels = image.convert("RGB").tobytes()
    start = 8 + len(pixels)
    at = start + len(SECRET) + len(XMP)
    gps = struct.pack("<HHHII", 1, 1, 2, 2, int.from_bytes(b"N\x00\x00\x00", "little")) + bytes(4)
    detail = struct.pack("<HHHII", 1, 37500, 7, len(SECRET), start) + bytes(4)
    bits = struct.pack("<HHH", 8, 8, 8)
    entries = [
        (256, 4, 1, image.width),
        (257, 4, 1, image.height),
        (258, 3, 3, at + len(gps) + len(detail)),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (270, 2, len(SECRET), start),
        (273, 4, 1, 8),
        (274, 3, 1, orientation),
        (277, 3, 1, 3),
        (278, 4, 1, image.height),
        (279, 4, 1, len(pixels)),
        (700, 1, len(XMP), start + len(SECRET)),
        (34665, 4, 1, at + len(gps)),
        (34853, 4, 1, at),
    ]
    directory = (
        struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries) + bytes(4)
    )
    tail = SECRET + XMP + gps + detail + bits
    tail += bytes(len(tail) % 2)
    return struct.pack("<2sHI", b"II", 42, start + len(tail)) + pixels + tail + directory


def moving(format_: str, frames: int = 4, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    pictures = [photo(*size).rotate(20 * turn) for turn in range(frames)]
    return encoded(
        pictures[0], format_, save_all=True, append_images=pictures[1:], duration=50, loop=0, **options
    )


def pixels(content: bytes | Path) -> str:
    """A digest of all frames, decoded as they are stored."""
    digest = hashlib.sha256()
    with Image.open(BytesIO(content) if isinstance(content, bytes) else content) as image:
        for frame in range(1 if image.format in ("MPO", "TIFF") else getattr(image, "n_frames", 1)):
            if frame:
                image.seek(frame)
            digest.update(image.convert("RGBA").tobytes())
    return digest.hexdigest()


def profile(name: str = "sRGB") -> bytes:
    """A colour profile; `swapped` is one whose primaries are exchanged, so that using it shows."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if name == "swapped":
        red, green = content.find(b"rXYZ"), content.find(b"gXYZ")
        content[red : red + 4], content[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(content)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
    return image


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int], by: int = 40) -> bool:
    found = image.convert("RGB").getpixel(at)
    assert isinstance(found, tuple)
    return all(abs(a - b) <= by for a, b in zip(found, colour, strict=True))


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(image: Image.Image) -> list[str]:
    """The colours at the corners, clockwise from the upper left."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    right, bottom = image.width - 1, image.height - 1
    places = ((0, 0), (right, 0), (right, bottom), (0, bottom))
    return [
        next((name for name, colour in names.items() if near(image, at, colour, 60)), "?") for at in places
    ]
