"""`lambkin keys`: the keys that sign tokens, and the key that encrypts what is stored."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final, NoReturn

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from common.context import RequestContext, enter_context
from common.encryption import key_names
from common.errors import AppError
from common.settings import get_settings, secret_settings
from common.tokens import KEYS_SECONDS
from functions.auth import rotation
from functions.auth.key_set import MAX_AGE_SECONDS
from infra.keys.reencryption import AlreadyRunning, Outcome, Progress, only_one
from infra.keys.reencryption import reencrypt as encrypt_anew
from infra.local import environment
from infra.local.home import Home, HomeDamaged
from infra.local.state import running_stack
from migrations import runner
from migrations.connections import connected, explain, owner_engine, owner_url
from migrations.errors import MigrationError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The keys that sign access tokens, and the key that encrypts what is stored.",
)

_ROW: Final = "{:<36}  {:<8}  {:<20}  {:<20}  {:<20}"


@app.command("list")
def list_keys() -> None:
    """Show the keys that sign access tokens, or did, or will."""
    with _transaction() as session:
        lives = rotation.list_keys(session)
    if not lives:
        print("There is no signing key yet: the first sign-in makes it.")
        return
    print(_ROW.format("KID", "STATE", "CREATED", "SIGNS FROM", "PUBLISHED UNTIL").rstrip())
    for life in lives:
        until = _shown(life.published_until) if life.published_until else "-"
        row = (str(life.id), life.state, _shown(life.created_at), _shown(life.active_at), until)
        print(_ROW.format(*row).rstrip())


@app.command()
def rotate(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Have the new key sign at once, before others know it.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where ENCRYPTION_KEYS cannot open what is stored.")
    ] = False,
) -> None:
    """Publish a new signing key, which takes over once everybody can know it."""
    with _transaction() as session:
        successor = rotation.rotate(session, at_once=now, force=force)
    if successor.at_once:
        print(f"Key {successor.id} signs from now on.")
        print(
            f"Functions know it at once; who caches the key set, within {MAX_AGE_SECONDS} s. The keys before "
            "it verify until their last token has expired."
        )
        return
    print(f"Key {successor.id} is published, and signs from {_shown(successor.active_at)} on.")
    print("Until then the present key signs; it verifies until its last token has expired. Nothing is to do.")


@app.command()
def revoke(kid: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")]) -> None:
    """Withdraw a signing key that others may hold: no token of it is accepted any more."""
    with _transaction() as session:
        successor = rotation.revoke(session, kid)
    print(
        f"Key {kid} is revoked. Functions refuse its tokens within {KEYS_SECONDS:g} s, who caches the key "
        f"set within {MAX_AGE_SECONDS} s."
    )
    if successor is not None:
        print(f"Key {successor.id} signs from now on. Clients get its tokens by refreshing theirs.")


@app.command()
def reencrypt() -> None:
    """Encrypt what is stored under the first key of ENCRYPTION_KEYS, so that the others can go."""
    with _connection() as connection:
        try:
            with only_one(connection):
                outcome = encrypt_anew(connection, _Lines())
        except AlreadyRunning:
            _fail("Another re-encryption of this database is running: wait for it to end.")
    _tell(outcome)


class _Lines:
    """Prints the progress: for each column its beginning, its end, and each tenth between."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, progress: Progress) -> None:
        tenth = 10 * progress.done // progress.total if progress.total else 10
        line = f"{progress.column}: {progress.done} of {progress.total}"
        key = f"{progress.column} {tenth} {progress.total}"
        if key != self._told:
            self._told = key
            print(line)


def _tell(outcome: Outcome) -> None:
    first, *others = key_names()
    print(f"Under `{first}`: {outcome.stored[first]}.")
    for name in sorted({*others, *outcome.stored} - {first}):
        left = outcome.stored[name]
        if left:
            print(f"Under `{name}`: {left} left.")
        else:
            print(
                f"Under `{name}`: none left. Remove it from ENCRYPTION_KEYS once every function runs with "
                f"`{first}` as the first, and this, run again after that, still finds none."
            )
    if outcome.unreadable:
        _fail(f"{outcome.unreadable.total()} cannot be opened: {_reasons(outcome.unreadable)}.")
    if outcome.stored.total() > outcome.stored[first]:
        _fail("Some were written or in use meanwhile: run this again.")


def _reasons(unreadable: Counter[str]) -> str:
    known = key_names()
    return "; ".join(
        f"{number} under `{name}`, {'altered' if name in known else 'a key that ENCRYPTION_KEYS lacks'}"
        for name, number in sorted(unreadable.items())
    )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _fail(sentence: str) -> NoReturn:
    sys.stdout.flush()
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def _use_running_stack() -> None:
    """Where DATABASE_URL is not set, the settings are those of the stack that runs here, if one does."""
    home = Home.find()
    stack = None if "DATABASE_URL" in os.environ else running_stack(home)
    if stack is not None and stack.postgres_port is not None:
        os.environ.update(environment.of_stack(home, stack.url, stack.postgres_port))
        get_settings.cache_clear()


@contextmanager
def _connection() -> Iterator[Connection]:
    """A connection as the owner of the database; what goes wrong is told in one sentence."""
    try:
        _use_running_stack()
        url = secret_settings().database_url
        if runner.status(url).pending:
            _fail("The database is older than this release: run `lambkin migrate up` first.")
        with connected(owner_engine(owner_url(url))) as connection:
            yield connection
    except (AppError, MigrationError, HomeDamaged) as error:
        _fail(str(error))
    except DBAPIError as error:
        _fail(f"The database said: {explain(error)}. What was done until then stays; run this again.")


@contextmanager
def _transaction() -> Iterator[Session]:
    enter_context(RequestContext(function="auth", user_agent="lambkin keys"))
    with _connection() as connection, Session(connection) as session, session.begin():
        yield session
