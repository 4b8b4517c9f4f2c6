"""What may be in a drawing (SVG 2): elements, attributes, and values, some of which can refer."""

import base64
import binascii
import re
from typing import Final

from functions.files.imaging import cleaning
from functions.files.imaging.kinds import kind_of
from functions.files.imaging.outcomes import Rejected

ELEMENTS: Final = frozenset(
    """
    a animate animateMotion animateTransform circle clipPath defs desc ellipse feBlend feColorMatrix
    feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight
    feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feMerge feMergeNode feMorphology
    feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence filter g image line
    linearGradient marker mask mpath path pattern polygon polyline radialGradient rect set stop style
    svg switch symbol text textPath title tspan use view
    """.split()  # noqa: SIM905 - a list of a hundred strings is no easier to read
)
# They are properties in style sheets too.
PROPERTIES: Final = frozenset(
    """
    alignment-baseline baseline-shift clip clip-path clip-rule color color-interpolation color-
    interpolation-filters direction display dominant-baseline fill fill-opacity fill-rule filter flood-
    color flood-opacity font font-family font-size font-size-adjust font-stretch font-style font-variant
    font-weight image-rendering isolation letter-spacing lighting-color line-height marker marker-end
    marker-mid marker-start mask mask-type mix-blend-mode opacity overflow paint-order pointer-events
    shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap
    stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-align text-anchor text-decoration
    text-rendering transform transform-box transform-origin unicode-bidi vector-effect visibility white-
    space word-spacing writing-mode
    """.split()  # noqa: SIM905 - a list of a hundred strings is no easier to read
)
_GEOMETRY: Final = frozenset(
    """
    accumulate additive amplitude aria-hidden aria-label azimuth baseFrequency begin bias by calcMode
    class clipPathUnits cx cy d diffuseConstant divisor dur dx dy edgeMode elevation end exponent fr
    from fx fy gradientTransform gradientUnits height id in in2 intercept k1 k2 k3 k4 kernelMatrix
    kernelUnitLength keyPoints keySplines keyTimes lang lengthAdjust limitingConeAngle markerHeight
    markerUnits markerWidth maskContentUnits maskUnits max method min mode numOctaves offset operator
    order orient origin path pathLength patternContentUnits patternTransform patternUnits points
    pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio primitiveUnits r radius refX refY
    repeatCount repeatDur restart result role rotate rx ry scale seed side slope spacing
    specularConstant specularExponent spreadMethod startOffset stdDeviation stitchTiles surfaceScale
    systemLanguage tableValues targetX targetY textLength to type values version viewBox width x x1 x2
    xChannelSelector y y1 y2 yChannelSelector z zoomAndPan
    """.split()  # noqa: SIM905 - a list of a hundred strings is no easier to read
)
ATTRIBUTES: Final = PROPERTIES | _GEOMETRY | {"href", "style", "attributeName"}
# What an animation may change: nothing that refers.
ANIMATED: Final = ATTRIBUTES - {"href", "style", "attributeName", "id", "class", "begin", "end", "type"}

# Without `%`: a viewer decodes it, and would find what we did not count.
_FRAGMENT: Final = re.compile(r"#[^\s\"'()<>\\%]{1,200}")
_URL: Final = re.compile(r"url\(\s*(?P<quote>[\"']?)#[^\s\"'()<>\\%]{1,200}(?P=quote)\s*\)", re.IGNORECASE)
# Whatever fetches, runs or hides: functions with addresses, escapes, comments, schemes.
_SUSPECT: Final = re.compile(
    r"url\s*\(|image\s*\(|image-set|src\s*\(|expression|@|\\|/\*|<|(?:java|vb|live)script\s*:|data\s*:|https?\s*:|behaviou?r|binding",
    re.IGNORECASE,
)
_BEGIN: Final = re.compile(r"[\d\s.;:+smhin-]*")
_RASTER: Final = re.compile(r"\s*data:image/(?:png|jpe?g|gif|webp);base64,([A-Za-z0-9+/=\s]*)", re.IGNORECASE)
_EMBEDDED: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DECLARATION: Final = re.compile(r"\s*(?P<property>[A-Za-z-]{1,40})\s*:\s*(?P<value>[^;{}]*)")
_SELECTOR: Final = re.compile(r"[\w\s.#*>,:()+~-]+")


def referred_to(value: str) -> list[str]:
    """The fragments that a value refers to by `url(#…)`."""
    return [found[0].partition("#")[2].rstrip(")'\" \t") for found in _URL.finditer(value)]


def safe_value(value: str) -> bool:
    """Whether a value refers to nothing but parts of its own drawing."""
    return _SUSPECT.search(_URL.sub("", value)) is None


def safe_attribute(element: str, name: str, value: str) -> str | None:
    """The attribute's value as it may stay; None where it may not. `href` is without its namespace."""
    if name == "href":
        return _reference(element, value)
    if name == "style":
        return declarations(value) or None
    if name == "attributeName":
        return value if value in ANIMATED else None
    if name in ("begin", "end") and not _BEGIN.fullmatch(value):
        # Times only: no events, no access keys.
        return None
    return value if safe_value(value) else None


def _reference(element: str, value: str) -> str | None:
    if element == "image":
        return _embedded(value)
    target = value.strip()
    return target if _FRAGMENT.fullmatch(target) else None


def _embedded(value: str) -> str | None:
    """An embedded raster image, cleaned like any other; None for whatever else."""
    found = _RASTER.fullmatch(value)
    if found is None:
        return None
    try:
        content = base64.b64decode("".join(found[1].split()), validate=True)
        media_type = kind_of(content).media_type
        if media_type not in _EMBEDDED:
            return None
        cleaned = cleaning.clean_bytes(content, media_type)
    except (binascii.Error, Rejected):
        return None
    return f"data:{media_type};base64,{base64.b64encode(cleaned).decode()}"


def declarations(text: str) -> str:
    """Those declarations of a style whose property is known and whose value is safe."""
    kept = []
    for part in text.split(";"):
        found = _DECLARATION.fullmatch(part)
        if found and found["property"].lower() in PROPERTIES and safe_value(found["value"]):
            kept.append(f"{found['property'].lower()}:{found['value'].strip()}")
    return ";".join(kept)


def style_sheet(text: str) -> str:
    """The plain rules of a style sheet; everything with an at-sign, an escape or a comment's remains goes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    rules = []
    for part in text.split("}"):
        selector, _, body = (each.strip() for each in part.partition("{"))
        kept = declarations(body)
        if kept and _SELECTOR.fullmatch(selector):
            rules.append(f"{selector}{{{kept}}}")
    return "\n".join(rules)
