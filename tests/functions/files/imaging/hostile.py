"""Files that were made to hurt: small, and none of them committed."""

import struct
import zlib
from io import BytesIO

from tests.functions.files.imaging.pictures import chunk, encoded, photo


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A grey PNG of one bit a pixel that claims this size."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def gif(width: int, height: int, frames: int) -> bytes:
    """A GIF of that many frames of one pixel."""
    frame = b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
    head = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x80, 0, 0) + bytes(6)
    return head + frame * frames + b";"


def webp(width: int, height: int) -> bytes:
    """A WebP whose canvas is larger than its picture."""
    content = encoded(photo(16, 16).convert("RGBA"), "WEBP", lossless=True)
    header = b"VP8X" + struct.pack("<I", 10) + b"\x10\x00\x00\x00"
    header += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + header + content[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(width: int, height: int) -> bytes:
    """A TIFF of one strip that is far shorter than it should be."""
    content = encoded(photo(16, 16), "TIFF")
    return content.replace(
        struct.pack("<HHII", 256, 4, 1, 16), struct.pack("<HHII", 256, 4, 1, width)
    ).replace(struct.pack("<HHII", 257, 4, 1, 16), struct.pack("<HHII", 257, 4, 1, height))


def jpeg(width: int, height: int) -> bytes:
    content = bytearray(encoded(photo(16, 16), "JPEG"))
    at = content.find(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def heif(format_: str, width: int, height: int) -> bytes:
    content = encoded(photo(64, 64), format_)
    at = content.find(b"ispe")
    return content[: at + 8] + struct.pack(">II", width, height) + content[at + 16 :]


def pdf(width: float, height: float, content: bytes = b"0 0 1 rg 0 0 50 50 re f") -> bytes:
    """A page of this size in points, with a compressed content stream."""
    packed = zlib.compress(content, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %f %f]/Contents 4 0 R>>" % (width, height),
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    ]
    out = BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj%s endobj\n" % (number, each))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()


def encrypted_pdf() -> bytes:
    """A document that asks for a password: its keys are nobody's."""
    secret = b"<" + b"41" * 32 + b">"
    guard = b"<</Filter/Standard/V 1/R 2/P -4/O %s/U %s>>" % (secret, secret)
    return pdf(100, 100).replace(b"trailer<<", b"trailer<</ID[<00><00>]/Encrypt %s" % guard)


def entities() -> bytes:
    """The billion laughs."""
    declared = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12)
    )
    return f'<!DOCTYPE svg [{declared}]><svg xmlns="http://www.w3.org/2000/svg"><text>&a11;</text></svg>'.encode()


def uses() -> bytes:
    """The same without entities: groups that use groups."""
    groups = '<g id="g0"><path d="M0 0h1"/></g>' + "".join(
        f'<g id="g{level}">{f'<use href="#g{level - 1}"/>' * 10}</g>' for level in range(1, 12)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{groups}</svg>'.encode()
