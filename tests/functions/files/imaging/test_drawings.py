"""A drawing that is served runs nothing, fetches nothing, and looks as it did."""

import base64
import time

import pytest

from functions.files.imaging.outcomes import Rejected
from functions.files.imaging.svg import sanitise
from tests.functions.files.imaging import pictures
from tests.functions.files.imaging.conftest import Process

SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def _sanitised(inner: str, attributes: str = "") -> str:
    return sanitise(f"<svg {SVG} {attributes}>{inner}</svg>".encode()).content.decode()


DANGEROUS = [
    "<script>alert(1)</script>",
    '<script href="https://evil.example/x.js"/>',
    "<g onload='alert(1)'/>",
    "<g ONCLICK='alert(1)'/>",
    "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></p></foreignObject>",
    '<a href="javascript:alert(1)"><path d="M0 0"/></a>',
    '<a xlink:href="java&#10;script:alert(1)"><path d="M0 0"/></a>',
    '<a href="https://evil.example"><path d="M0 0"/></a>',
    '<image href="https://evil.example/pixel.png"/>',
    '<image href="/v1/users/me"/>',
    '<image href="data:image/svg+xml;base64,PHN2Zz4="/>',
    '<image href="data:text/html,alert(1)"/>',
    '<use href="other.svg#evil"/>',
    '<use xlink:href="//evil.example/x#y"/>',
    '<rect fill="url(https://evil.example/x#y)"/>',
    "<rect style=\"fill:url('https://evil.example')\"/>",
    '<rect style="fill:u\\72l(//evil.example)"/>',
    '<rect style="background-image:url(//evil.example)"/>',
    '<rect style="behavior:url(#evil)"/>',
    "<style>@import 'https://evil.example';</style>",
    "<style>@font-face{font-family:a;src:url(//evil.example)}</style>",
    "<style>rect{fill:url(//evil.example)}</style>",
    "<style>rect{fill:red;/* */background:image-set('//evil.example' 1x)}</style>",
    "<style><![CDATA[</style><script>alert(1)</script>]]></style>",
    '<set attributeName="href" to="javascript:alert(1)"/>',
    '<animate attributeName="xlink:href" values="javascript:alert(1)"/>',
    '<set attributeName="onload" to="alert(1)"/>',
    '<animate attributeName="fill" begin="evil.click" to="url(//evil.example)"/>',
    '<feImage href="https://evil.example"/>',
    '<filter id="f"><feImage href="//evil.example"/></filter>',
    '<iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(1)"/>',
    '<embed src="//evil.example"/><object data="//evil.example"/><audio src="//evil.example"/>',
    '<handler type="text/javascript">alert(1)</handler>',
    '<g xml:base="https://evil.example/"/>',
    '<cursor href="//evil.example"/><font-face-uri href="//evil.example"/>',
    '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">alert(1)</rdf:RDF></metadata>',
    "<?xml-stylesheet href='https://evil.example'?>",
    "<!-- alert(1) evil -->",
]


@pytest.mark.parametrize("inner", DANGEROUS)
def test_what_runs_or_fetches_goes(inner: str) -> None:
    cleaned = _sanitised(inner)
    for word in ("alert", "evil", "script", "http://", "https://", "@", "/v1/", "onload", "base64", "import"):
        assert word not in cleaned.replace('xmlns="http://www.w3.org/2000/svg"', ""), word


HARMLESS = [
    '<path d="M0 0L10 10z" fill="#ff0000" stroke-width="2"></path>',
    '<linearGradient id="g"><stop offset="0"></stop></linearGradient><rect fill="url(#g)"></rect>',
    '<g id="a" transform="translate(1 2)"></g><use href="#a" x="5"></use>',
    '<text x="1" font-family="serif">1 &lt; 2 &amp; ü</text>',
    '<rect style="fill:red;opacity:0.5"></rect>',
    "<style>.a{fill:red}</style>",
    '<animate attributeName="opacity" values="0;1" dur="2s" begin="0s"></animate>',
    '<clipPath id="c"><circle r="4"></circle></clipPath><g clip-path="url(#c)"></g>',
    '<filter id="f"><feGaussianBlur stdDeviation="2"></feGaussianBlur></filter>',
]


@pytest.mark.parametrize("inner", HARMLESS)
def test_what_only_draws_stays(inner: str) -> None:
    assert _sanitised(inner) == f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>'


def test_what_was_sanitised_stays_as_it_is() -> None:
    once = _sanitised("".join(HARMLESS) + "".join(each for each in DANGEROUS if "<?" not in each))
    assert sanitise(once.encode()).content.decode() == once


def test_a_prefix_and_xlink_become_plain() -> None:
    names = 'xmlns:s="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink"'
    content = f'<s:svg {names}><s:use x:href="#a"/></s:svg>'.encode()
    assert sanitise(content).content == b'<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"></use></svg>'


def test_an_embedded_photograph_is_cleaned_too() -> None:
    content = pictures.with_metadata("JPEG")
    cleaned = _sanitised(f'<image href="data:image/jpeg;base64,{base64.b64encode(content).decode()}"/>')
    embedded = base64.b64decode(cleaned.partition("base64,")[2].partition('"')[0])
    assert pictures.SECRET in content
    assert pictures.SECRET not in embedded
    assert pictures.pixels(embedded) == pictures.pixels(content)


def test_a_document_type_without_entities_is_left_out() -> None:
    content = (
        f'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd"><svg {SVG}/>'.encode()
    )
    assert sanitise(content).content == b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "b">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://evil.example">',
    ],
)
def test_entities_are_refused(declared: str) -> None:
    with pytest.raises(Rejected) as refused:
        sanitise(f"<!DOCTYPE svg [{declared}]><svg {SVG}/>".encode())
    assert refused.value.code == "unsafe_svg"


@pytest.mark.parametrize(
    "content",
    [
        b"<svg",
        b"<svg></g>",
        b"<html/>",
        b'<svg xmlns="http://www.w3.org/1999/xhtml"/>',
        b"<svg>&nothing;</svg>",
        b"\xff\xfe<",
    ],
)
def test_what_is_no_drawing_is_damaged(content: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        sanitise(content)
    assert refused.value.code == "damaged"


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="20" height="10px"', (20, 10)),
        ('width="1in" height="72pt"', (96, 96)),
        ('width="100%" height="50%" viewBox="0 0 30 40"', (30, 40)),
        ('viewBox="0,0,-5,7"', (0, 7)),
        ("", (0, 0)),
        ('width="9e99" height="1"', (0, 0)),
    ],
)
def test_a_drawing_has_the_size_that_it_says(attributes: str, size: tuple[int, int]) -> None:
    drawing = sanitise(f"<svg {SVG} {attributes}/>".encode())
    assert (drawing.width, drawing.height) == size


def test_hostile_styles_and_values_take_no_time() -> None:
    started = time.process_time()
    for text in ("a{" * 200_000, "a:b;" * 200_000, "/*" * 200_000, "url(" * 200_000, "{}" * 200_000):
        _sanitised(f"<style>{text}</style><rect style='{text}' fill='{text}'/>")
    assert time.process_time() - started < 3


def test_a_sanitised_drawing_is_the_cleaned_original(process: Process) -> None:
    made = process(f'<svg {SVG} width="3" height="4" onload="x()"><script/></svg>'.encode())
    assert (made.media_type, made.width, made.height) == ("image/svg+xml", 3, 4)
    assert made.removed == ("handlers", "script")
    assert (made.renditions, made.thumbhash, made.colours) == ((), None, ())
    assert made.cleaned is not None
    assert made.cleaned.read_bytes() == b'<svg xmlns="http://www.w3.org/2000/svg" width="3" height="4"></svg>'


def test_a_reference_that_only_a_viewer_would_decode_is_none() -> None:
    content = b'<svg xmlns="http://www.w3.org/2000/svg"><g id="b"/><use href="#%62"/></svg>'
    assert b"%62" not in sanitise(content).content


def test_patterns_within_patterns_are_counted_as_what_they_become() -> None:
    levels = [
        f'<pattern id="p{level}">{f"<rect fill='url(#p{level + 1})'/>" * 10}</pattern>' for level in range(9)
    ]
    content = f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(levels)}<rect fill="url(#p0)"/></svg>'
    with pytest.raises(Rejected, match="unfolds"):
        sanitise(content.encode())


def test_a_drawing_that_declares_attributes_is_refused() -> None:
    content = (
        b'<!DOCTYPE svg [<!ATTLIST g d CDATA "M0 0">]><svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    )
    with pytest.raises(Rejected, match="declares"):
        sanitise(content)
