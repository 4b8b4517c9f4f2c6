"""`lambkin user create`: through the command itself, in a database that is real."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from common.context import RequestContext, enter_context
from common.database import dispose_engines, get_database
from common.settings import get_settings
from infra.cli import application
from tests.functions.users.test_invitations import role
from tests.support.world import PASSWORD, World

NO_TERMINAL = (
    "There is no terminal to ask for a password: give it with --password-stdin, "
    "or mail a link with --invite.\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """No stack runs here: DATABASE_URL names the test's own database."""
    monkeypatch.setenv("LAMBKIN_HOME", str(tmp_path / "lambkin"))


def create(*arguments: str, answer: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors."""
    result = CliRunner().invoke(application, ["user", "create", *arguments], input=answer)
    enter_context(RequestContext(function=""))
    return result.exit_code, result.stdout, result.stderr


def sign_in(api: httpx.Client, email: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = api.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def account(world: World, email: str) -> Any:
    return world.rows("select * from users where email = :email", email=email)[0]


def exists(world: World, email: str) -> bool:
    return bool(world.rows("select 1 from users where email = :email", email=email))


def test_the_first_administrator_signs_in_and_may_administer(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    told = create(email.upper(), "--admin", "--name", "Ada", "--password-stdin", answer=f"{PASSWORD}\n")
    assert told == (0, f"Made the account of {email} (admin): it can sign in now.\n", "")
    assert "users:write" in sign_in(asgi, email)["scope"].split()
    made = account(world, email)
    assert (made.name, made.roles, made.state, made.email_verified_at is None) == (
        "Ada",
        ["admin"],
        "active",
        False,
    )
    assert world.audit(made.id)[0] == ("account.created", "success")


def test_without_a_role_it_is_a_member(world: World) -> None:
    email = world.address()
    assert create(email, "--password-stdin", answer=PASSWORD)[0] == 0
    assert account(world, email).roles == ["member"]


def test_roles_may_be_repeated_and_be_ones_own(world: World) -> None:
    email, own = world.address(), role(world, "users:read")
    assert (
        create(email, "--admin", "--role", own, "--role", "member", "--password-stdin", answer=PASSWORD)[0]
        == 0
    )
    assert account(world, email).roles == sorted(["admin", "member", own])


def test_only_the_first_line_of_the_input_is_the_password(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    assert create(email, "--password-stdin", answer=f" {PASSWORD} \r\nanother line\n")[0] == 0
    sign_in(asgi, email, f" {PASSWORD} ")


def test_an_invitation_is_mailed_instead_of_a_password(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    code, output, errors = create(email, "--admin", "--invite")
    assert (code, output, errors) == (
        0,
        f"Invited {email}: a mail is on its way, and its link works for 7 days.\n",
        "",
    )
    body = {"token": world.mails(email)[0].token, "password": PASSWORD}
    assert asgi.post("/v1/auth/invitations/accept", json=body).status_code == 200
    assert "users:write" in sign_in(asgi, email)["scope"].split()
    assert world.audit(account(world, email).id)[0] == ("account.invited", "success")


@pytest.mark.parametrize("way", [["--invite"], ["--password-stdin"]])
def test_an_address_that_has_an_account_is_one_sentence(world: World, way: list[str]) -> None:
    there = world.account()
    assert create(there.email, *way, answer=PASSWORD) == (
        1,
        "",
        "There is an account with this address already.\n",
    )
    assert account(world, there.email).roles == ["member"]


@pytest.mark.parametrize(
    ("arguments", "answer", "said"),
    [
        (["--password-stdin"], "short\n", "The password needs at least 8 characters.\n"),
        (["--password-stdin"], "", "The password needs at least 8 characters.\n"),
        (["--password-stdin"], "x" * 1025, "The password is longer than 1024 bytes.\n"),
        (["--password-stdin", "--role", "no-such-role"], PASSWORD, "There is no role no-such-role.\n"),
        (
            ["--password-stdin", "--name", "two\nlines"],
            PASSWORD,
            "The name is not acceptable: must be one line",
        ),
        (
            ["--password-stdin", "--invite"],
            PASSWORD,
            "--invite wants no password: leave out --password-stdin.\n",
        ),
        ([], PASSWORD, NO_TERMINAL),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_nothing(
    world: World, arguments: list[str], answer: str, said: str
) -> None:
    email = world.address()
    code, output, errors = create(email, *arguments, answer=answer)
    assert (code, output) == (2, "")
    assert errors.startswith(said)
    assert errors.count("\n") == 1
    assert not exists(world, email)


def test_what_is_no_address_is_one_sentence() -> None:
    code, _, errors = create("nobody", "--invite")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("The email is not acceptable: ")


@pytest.fixture
def other_database(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the command use another database."""

    def use(url: str) -> None:
        dispose_engines()
        get_database.cache_clear()
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()

    yield use
    monkeypatch.undo()
    dispose_engines()
    get_database.cache_clear()
    get_settings.cache_clear()


def test_a_database_that_is_not_there_is_one_sentence(other_database: Callable[[str], None]) -> None:
    other_database("postgresql://pguser:pgpassword@127.0.0.1:1/database")
    code, _, errors = create("ada@lambkin.example", "--invite")
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith("The database cannot be reached (")
    assert "pgpassword" not in errors


def test_a_database_without_tables_says_what_to_run(
    fresh_database_url: Callable[..., str], other_database: Callable[[str], None]
) -> None:
    other_database(fresh_database_url())
    code, _, errors = create("ada@lambkin.example", "--invite")
    assert (code, errors.count("\n")) == (1, 1)
    assert "`lambkin migrate up`" in errors


def on_terminal(email: str, *answers: str) -> tuple[int, str]:
    """Answer the questions of the command on a terminal; its exit code and what it showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "infra.cli", "user", "create", email]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=os.environ
    ) as child:
        os.close(theirs)
        shown = ""
        for answer in answers:
            while not shown.endswith(": "):
                shown += os.read(ours, 1024).decode()
            os.write(ours, f"{answer}\n".encode())
            shown += os.read(ours, 1).decode()
        shown += read_all(ours)
        code = child.wait(20)
    os.close(ours)
    return code, shown


def read_all(descriptor: int) -> str:
    """Until the other side is closed, of which Linux makes an error."""
    text = b""
    try:
        while more := os.read(descriptor, 1024):
            text += more
    except OSError:
        pass
    return text.decode()


def test_on_a_terminal_it_asks_twice_and_shows_neither(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    code, shown = on_terminal(email, PASSWORD, PASSWORD)
    assert (code, PASSWORD in shown) == (0, False)
    assert "Password: " in shown
    assert "The same again: " in shown
    sign_in(asgi, email)


def test_two_passwords_that_differ_are_asked_for_again(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    code, _ = on_terminal(email, PASSWORD, "another password", PASSWORD, PASSWORD)
    assert code == 0
    sign_in(asgi, email)
