"""`lambkin user`: accounts that need no account to make them, such as the first administrator's.

They are made in the database that DATABASE_URL names, or in that of the stack that runs here.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from common.settings import get_settings
from infra.commands.entering import advised, enter
from infra.local.home import HomeDamaged

if TYPE_CHECKING:
    from functions.users.schemas.invitations import Invite

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Make accounts, in the database of DATABASE_URL or of the stack that runs here.",
)

_TAKEN: Final = "There is an account with this address already."
_NOBODY_TO_ASK: Final = (
    "There is no terminal to ask for a password: give it with --password-stdin, or mail a link with --invite."
)
_REFUSED: Final = 1
_MISUSED: Final = 2


@app.callback()
def _user() -> None:
    """Without it typer would take the only command for the whole."""


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="The person's address.", show_default=False)],
    *,
    admin: Annotated[bool, typer.Option("--admin", help="Give the role `admin`.")] = False,
    role: Annotated[
        list[str] | None, typer.Option(help="Give this role; may be repeated. Default: member.")
    ] = None,
    name: Annotated[str, typer.Option(help="How to address the person.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of the input.")
    ] = False,
    invite: Annotated[
        bool, typer.Option("--invite", help="Mail a link with which the person chooses the password.")
    ] = False,
) -> None:
    """Make an account that is active and verified, or invited. Asks twice for the password."""
    if invite and password_stdin:
        _refuse("--invite wants no password: leave out --password-stdin.", _MISUSED)
    if not (invite or password_stdin or sys.stdin.isatty()):
        _refuse(_NOBODY_TO_ASK, _MISUSED)
    with _sentences():
        enter("auth", "lambkin user create")
        wanted = _wanted(email, name, [*(["admin"] if admin else []), *(role or [])])
        _look(wanted)
        if invite:
            _invite(wanted)
        else:
            _create(wanted, _password(from_stdin=password_stdin))


def _wanted(email: str, name: str, roles: list[str]) -> "Invite":
    from functions.users.schemas.invitations import Invite

    given: dict[str, Any] = {"email": email, "name": name} | ({"roles": roles} if roles else {})
    try:
        return Invite.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        _refuse(f"The {str(first['loc'][0]).removesuffix('s')} is not acceptable: {said}.", _MISUSED)


def _look(wanted: "Invite") -> None:
    """Refuse what could not be made anyway, before a password is asked for."""
    from common import accounts
    from common.database import get_database
    from common.permissions import BUILT_IN
    from functions.users.repository.roles import keep_roles

    def look(session: Session) -> tuple[bool, set[str]]:
        taken = accounts.find_account(session, wanted.email) is not None
        return taken, set(wanted.roles) - set(BUILT_IN) - set(keep_roles(session, wanted.roles))

    taken, unknown = get_database("users").transaction(look)
    if unknown:
        _refuse(f"There is no role {min(unknown)}.", _MISUSED)
    if taken:
        _refuse(_TAKEN, _REFUSED)


def _password(*, from_stdin: bool) -> str:
    """The password, normalised."""
    from functions.auth.passwords import normalise_password

    try:
        if from_stdin:
            given = sys.stdin.readline().rstrip("\r\n")
        else:
            given = typer.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
        given.encode()
        return normalise_password(given)
    except UnicodeError:
        _refuse("The password is no text in UTF-8.", _MISUSED)
    except ValueError as error:
        _refuse(str(error), _MISUSED)


def _create(wanted: "Invite", password: str) -> None:
    from common.database import get_database
    from functions.auth.passwords import get_passwords

    password_hash = asyncio.run(get_passwords().hash(password))
    work = partial(_add, wanted=wanted, password_hash=password_hash)
    if not get_database("auth").transaction(work):
        _refuse(_TAKEN, _REFUSED)
    typer.echo(f"Made the account of {wanted.email} ({', '.join(sorted(wanted.roles))}): it can sign in now.")


def _add(session: Session, *, wanted: "Invite", password_hash: str) -> bool:
    from common import accounts, audit
    from functions.auth.repository import credentials

    account = accounts.create_account(
        session, wanted.email, name=wanted.name, roles=wanted.roles, verified=True
    )
    if account is None:
        return False
    credentials.set_password(session, account.id, password_hash)
    audit.record(
        session, "account.created", subject_id=account.id, roles=account.roles, reason="command_line"
    )
    return True


def _invite(wanted: "Invite") -> None:
    from common.database import get_database
    from functions.users.invitations import AddressTaken, add_invited

    try:
        get_database("users").transaction(partial(add_invited, wanted=wanted))
    except AddressTaken:
        _refuse(_TAKEN, _REFUSED)
    days = get_settings().invitation_days
    typer.echo(f"Invited {wanted.email}: a mail is on its way, and its link works for {days} days.")


@contextmanager
def _sentences() -> Iterator[None]:
    """One sentence for what an operator can do something about."""
    try:
        yield
    except HomeDamaged as error:
        _refuse(str(error), _REFUSED)
    except (SQLAlchemyError, OSError) as error:
        _refuse(advised(error), _REFUSED)


def _refuse(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
