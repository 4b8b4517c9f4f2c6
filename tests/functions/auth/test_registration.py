import json

import httpx
import pytest

from tests.support.jobs import run_jobs
from tests.support.world import PASSWORD, World


def register(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/register", json={"email": email, "password": password, "name": "Ada"})


def verify(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/v1/auth/verify-email", json={"token": token})


def login(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": email, "password": password})


def test_a_newcomer_registers_verifies_and_signs_in(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    assert register(asgi, email).status_code == 202
    [mail] = world.mails(email)
    assert (mail.template, mail.values["name"]) == ("verify_email", "Ada")
    assert verify(asgi, mail.token).status_code == 200
    assert login(asgi, email).status_code == 200


def test_the_answer_does_not_tell_who_has_an_account(asgi: httpx.Client, world: World) -> None:
    known, unknown = world.account().email, world.address()
    first, second = register(asgi, known), register(asgi, unknown)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert [mail.template for mail in world.mails(known)] == ["account_exists"]
    assert [mail.template for mail in world.mails(unknown)] == ["verify_email"]


def test_registering_again_does_not_change_an_account(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    register(asgi, email, "another password")
    assert login(asgi, email, "another password").status_code == 401
    assert login(asgi, email).status_code == 200


def test_addresses_that_differ_by_case_or_form_are_one_account(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    register(asgi, email)
    register(asgi, email.upper())
    run_jobs("auth")
    assert world.scalar("select count(*) from users where lower(email) = :email", email=email) == 1


def test_a_link_works_once(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    register(asgi, email)
    token = world.mails(email)[0].token
    assert verify(asgi, token).status_code == 200
    again = verify(asgi, token)
    assert (again.status_code, again.json()["code"]) == (400, "invalid_link")


def test_a_link_expires(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    register(asgi, email)
    token = world.mails(email)[0].token
    world.run("update one_time_tokens set expires_at = now() - interval '1 second'")
    assert verify(asgi, token).status_code == 400


def test_an_unverified_account_cannot_sign_in(asgi: httpx.Client, world: World) -> None:
    refused = login(asgi, world.account(verified=False).email)
    assert (refused.status_code, refused.json()["code"]) == (403, "email_not_verified")


@pytest.mark.parametrize("clicked", [0, 1])
def test_whoever_clicks_a_link_gets_the_password_of_that_registration(
    asgi: httpx.Client, world: World, clicked: int
) -> None:
    email = world.address()
    passwords = ["password of the owner", "password of a stranger"]
    for password in passwords:
        register(asgi, email, password)
    links = world.mails(email)
    assert verify(asgi, links[clicked].token).status_code == 200
    assert login(asgi, email, passwords[clicked]).status_code == 200
    assert login(asgi, email, passwords[1 - clicked]).status_code == 401
    assert verify(asgi, links[1 - clicked].token).status_code == 400


def test_the_link_is_not_readable_in_the_database(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    register(asgi, email)
    token = world.mails(email)[0].token
    for table in ("jobs", "one_time_tokens", "audit_log", "idempotency_keys"):
        assert token not in str(world.rows(f"select * from {table}"))
    assert email not in str(world.rows("select * from jobs"))


@pytest.mark.parametrize(
    ("password", "detail"),
    [
        ("1234567", "at least 8 characters"),
        ("ｐass word", "at least"),
        ("x" * 1025, "at most 1024"),
        ("ﷺ" * 60, "longer than 1024 bytes"),
    ],
    ids=["short", "short after NFKC", "long", "long in bytes after NFKC"],
)
def test_a_password_out_of_bounds_is_refused(
    asgi: httpx.Client, world: World, password: str, detail: str
) -> None:
    if detail == "at least":
        password = "①②③④⑤⑥⑦"
    refused = register(asgi, world.address(), password)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/password"
    assert detail in refused.json()["errors"][0]["detail"]


def test_a_password_is_the_same_in_every_unicode_form(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    register(asgi, email, "Ångström ﬁne")
    verify(asgi, world.mails(email)[0].token)
    assert login(asgi, email, "A\u030angstro\u0308m fine").status_code == 200


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@lambkin.example", "a@b@c.example", "a\r\nb@c.example", "ada@localhost"]
)
def test_what_is_no_address_is_refused(asgi: httpx.Client, email: str) -> None:
    refused = register(asgi, email)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/email"


@pytest.mark.parametrize(
    "name", ["two\nlines", "a\r\nBcc: x@y.example", "\x00", "\x85", "\u2028", "\ud800", "x" * 201]
)
def test_a_name_is_one_line_of_text(asgi: httpx.Client, world: World, name: str) -> None:
    body = json.dumps({"email": world.address(), "password": PASSWORD, "name": name})
    headers = {"Content-Type": "application/json"}
    assert asgi.post("/v1/auth/register", content=body, headers=headers).status_code == 422


def test_nobody_gets_into_an_account_that_is_being_erased(asgi: httpx.Client, world: World) -> None:
    user = world.account(verified=False)
    register(asgi, user.email)
    token = world.mails(user.email)[-1].token
    world.run("update users set state = 'deleting' where id = :id", id=user.id)
    assert verify(asgi, token).json()["code"] == "invalid_link"
    register(asgi, user.email)
    assert [mail.template for mail in world.mails(user.email)] == ["verify_email", "account_exists"]
