import re
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import pytest
from jinja2 import UndefinedError, meta
from sqlalchemy.orm import Session

from common.database.transactions import Database
from common.mail import send_mail
from common.mail.delivery import deliver_mail
from common.mail.messages import address_of, compose
from common.mail.outbound import TEMPLATES, check_mail
from common.mail.rendering import TEMPLATE_FOLDER, Rendered, environment, greetable, render
from common.mail.transports import MailRefused

LINK = "https://lambkin.example/verify?token=t0ken&next=%2Fhome"
UNTIL = "06 December 2026, 08:15 UTC"
VALUES: dict[str, dict[str, Any]] = {
    "verify_email": {"name": "Ada", "link": LINK, "hours": 24},
    "account_exists": {"name": "Ada", "sign_in_link": LINK},
    "new_device": {
        "name": "Ada",
        "device": "Firefox on Linux",
        "address": "198.51.100.7",
        "time": "22 November 2026, 08:15 UTC",
        "sessions_link": LINK,
        "reset_link": LINK,
    },
    "api_key_created": {"name": "Ada", "key_name": "Nightly backup", "reset_link": LINK},
    "reset_password": {"name": "Ada", "link": LINK, "minutes": 30},
    "password_changed": {"name": "Ada", "reset_link": LINK},
    "change_email": {"name": "Ada", "link": LINK, "hours": 24},
    "email_in_use": {"name": "Ada", "sign_in_link": LINK},
    "email_changed": {"name": "Ada", "link": LINK, "days": 7},
    "invitation": {"name": "Ada", "link": LINK, "days": 7},
    "deletion_requested": {"name": "Ada", "link": LINK, "until": UNTIL},
    "deletion_by_administrator": {"name": "Ada", "until": UNTIL},
    "account_erased": {"name": "Ada", "home_link": LINK},
    "export_ready": {"name": "Ada", "link": LINK, "days": 7},
    "export_failed": {"name": "Ada", "home_link": LINK},
}
OPTIONAL = {"account_exists": {"reset_link"}}


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attributes)["href"])


def test_every_template_has_both_parts_and_values_of_its_own() -> None:
    names = {path.stem for path in TEMPLATE_FOLDER.iterdir() if not path.name.startswith("_")}
    assert names == set(TEMPLATES) == set(VALUES)
    for name in names:
        used: set[str] = set()
        for ending in ("txt", "html"):
            source = (TEMPLATE_FOLDER / f"{name}.{ending}").read_text()
            used |= meta.find_undeclared_variables(environment().parse(source))
        assert used - {"product", "self", "button", "greeting"} == TEMPLATES[name] | OPTIONAL.get(name, set())


@pytest.mark.parametrize("template", TEMPLATES)
def test_both_parts_say_the_link_and_who_sends(template: str) -> None:
    rendered = render(template, VALUES[template], "Lambkin")
    if any(name.endswith("link") for name in TEMPLATES[template]):
        assert LINK in rendered.text
        assert LINK in Links(rendered.html).found
    assert "Lambkin" in rendered.subject + rendered.html
    assert "Hello Ada," in rendered.text
    assert "Hello Ada," in rendered.html
    assert max(len(line) for line in rendered.text.splitlines()) <= 110


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_html_is_accessible_and_loads_nothing(template: str) -> None:
    html = render(template, VALUES[template], "Lambkin").html
    assert '<html lang="en">' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert html.count("<h1") == 1
    assert not re.search(r"<img|<script|<link|@import|url\(", html)


def test_html_in_a_value_is_escaped_and_in_the_text_it_is_not() -> None:
    values = VALUES["verify_email"] | {"name": "<b>Ada & Co"}
    rendered = render("verify_email", values, "<i>Lambkin</i>")
    assert "&lt;b&gt;Ada &amp; Co" in rendered.html
    assert "<b>" not in rendered.html
    assert "<i>" not in rendered.html
    assert "Hello <b>Ada & Co," in rendered.text


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("verify_email", {"name": "Ada"}, "Lambkin")


def test_a_link_to_a_new_password_is_shown_where_there_is_one() -> None:
    reset = "https://lambkin.example/reset?token=r3set"
    without = render("account_exists", VALUES["account_exists"], "Lambkin")
    rendered = render("account_exists", VALUES["account_exists"] | {"reset_link": reset}, "Lambkin")
    assert reset in rendered.text
    assert reset in Links(rendered.html).found
    assert "password" not in without.text + without.html


@pytest.mark.parametrize(
    "name",
    [
        "",
        "click http://evil.example",
        "evil.example",
        "ada@evil.example",
        "x" * 65,
        None,
    ],
)
def test_a_name_that_could_be_a_link_is_not_greeted(name: str | None) -> None:
    assert greetable(name) == ""
    assert "Hello," in render("verify_email", VALUES["verify_email"] | {"name": name}, "Lambkin").text


def test_an_ordinary_name_is_greeted() -> None:
    for name in ("Ada", "J. R. R. Tolkien", "J.R.R. Tolkien", "Zoë O'Neill-Łukasz", "山田 太郎"):
        assert greetable(name) == name


INJECTIONS: list[tuple[str, dict[str, Any]]] = [
    ("ada@lambkin.example\r\nBcc: all@lambkin.example", {}),
    ("ada@lambkin.example\n", {}),
    ("nobody", {}),
    ("ada@lambkin.example", {"name": "Ada\r\nBcc: all@lambkin.example"}),
    ("ada@lambkin.example", {"name": "Ada\u2028"}),
    ("ada@lambkin.example", {"link": "javascript:alert(1)"}),
    ("ada@lambkin.example", {"link": "https://lambkin.example/\nx"}),
    ("ada@lambkin.example", {"link": 'https://lambkin.example/"onclick='}),
]


@pytest.mark.parametrize(("to", "changed"), INJECTIONS)
def test_what_could_end_a_header_or_run_a_script_is_refused_on_both_sides(
    database_url: str, to: str, changed: dict[str, Any]
) -> None:
    assert database_url
    values = VALUES["verify_email"] | changed

    def work(session: Session) -> None:
        send_mail(session, "verify_email", to, values)

    with pytest.raises(ValueError, match="mail"):
        Database("auth").transaction(work)
    with pytest.raises(MailRefused):
        deliver_mail("verify_email", to, values, key=uuid4())


@pytest.mark.parametrize(
    "to", ["ada@lambkin.example, all@lambkin.example", "@lambkin.example", "ada@", "a b@c.example"]
)
def test_a_mail_goes_to_one_address(to: str) -> None:
    with pytest.raises(MailRefused):
        deliver_mail("verify_email", to, VALUES["verify_email"], key=uuid4())


def test_unknown_templates_and_missing_values_are_refused_in_the_request() -> None:
    with pytest.raises(ValueError, match="no mail template 'verify'"):
        check_mail("verify", "ada@lambkin.example", {})
    with pytest.raises(ValueError, match="also wants hours, link"):
        check_mail("verify_email", "ada@lambkin.example", {"name": "Ada"})


def test_a_message_is_seven_bit_with_short_lines() -> None:
    words = Rendered("Grüße " * 30, "Grüße, " * 300, "<p>" + "Grüße, " * 300)
    sender, to = address_of("Lämmchen <no-reply@lambkin.example>"), address_of("ada@lambkin.example")
    raw = compose(words, sender=sender, to=to, key=uuid4()).as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_a_subject_cannot_begin_another_header() -> None:
    words = Rendered("Hello\r\nBcc: all@lambkin.example", "", "")
    address = address_of("ada@lambkin.example")
    with pytest.raises(ValueError, match=r"linefeed|carriage"):
        compose(words, sender=address, to=address, key=uuid4())
