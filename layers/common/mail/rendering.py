"""Templates to text and HTML. Only the worker imports this, as it needs Jinja.

`templates/<name>.txt` is the text, its first line `Subject: …`; `<name>.html` extends `_layout.html`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

TEMPLATE_FOLDER: Final = Path(__file__).parent / "templates"
_SUBJECT: Final = "Subject: "
_LONGEST_NAME: Final = 64
# Mail programs make links of these: who registers with somebody else's address must not write them a link.
_LINK_LIKE: Final = re.compile(r"://|/|@|\\|\w{2,}\.\w{2,}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


def greetable(name: str | None) -> str:
    """The name, to greet its owner with; empty where it is long or looks like an address or a link."""
    text = " ".join((name or "").split())
    return "" if len(text) > _LONGEST_NAME or _LINK_LIKE.search(text) else text


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Jinja's environment: HTML is escaped, a missing value is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["greetable"] = greetable
    return made


def render(template: str, values: Mapping[str, Any], product: str) -> Rendered:
    """The mail `template`, filled in; `product` is who it comes from. Raises jinja2.TemplateError."""
    given = {**values, "product": product}
    first, _, text = environment().get_template(f"{template}.txt").render(given).partition("\n")
    if not first.startswith(_SUBJECT):
        raise ValueError(f"the mail template {template}.txt has no subject in its first line")
    html = environment().get_template(f"{template}.html").render(given)
    return Rendered(first.removeprefix(_SUBJECT).strip(), text.strip() + "\n", html)
