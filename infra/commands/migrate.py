"""`lambkin migrate`: the schema of the database that DATABASE_URL names, or of the stack that runs here."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from common.logs import configure_logs
from common.settings import secret_settings
from infra.deploy import migration
from infra.deploy.stages import DeploymentFailed
from infra.local.home import Home, load_secrets
from infra.local.postgres import Cluster
from infra.local.state import running_stack
from migrations import roles, runner
from migrations.connections import owner_url
from migrations.errors import MigrationError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Move the database's schema, and grant each function's role what it may do.",
)

Wait = Annotated[
    float, typer.Option(help="Seconds to wait for another migration to end.", min=0, metavar="SECONDS")
]
StageOption = Annotated[
    str | None,
    typer.Option("--stage", help="Have the migrate function of this stage do it: local, dev or prod."),
]


@app.command()
def up(
    revision: Annotated[str, typer.Argument(help="An id, `+1`, or `head`.")] = "head",
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL; a range is FROM:TO.")] = False,
    wait: Wait = runner.WAIT_SECONDS,
    stage: StageOption = None,
) -> None:
    """Upgrade the schema, then create the functions' roles and grant them their rights."""
    with _sentences():
        if stage:
            _tell(migration.ask(stage, "up", revision))
            return
        if sql:
            sys.stdout.write(runner.sql(revision))
            return
        runner.upgrade(_database_url(), revision, wait_seconds=wait)
        _print_status()


@app.command(context_settings={"ignore_unknown_options": True})
def down(
    revision: Annotated[str, typer.Argument(help="An id, `-1` for one step, or `base` for none.")],
    *,
    wait: Wait = runner.WAIT_SECONDS,
    stage: StageOption = None,
) -> None:
    """Downgrade the schema. What the newer revisions stored is lost."""
    with _sentences():
        if stage:
            _tell(migration.ask(stage, "down", revision))
            return
        runner.downgrade(_database_url(), revision, wait_seconds=wait)
        _print_status()


@app.command()
def status(*, stage: StageOption = None) -> None:
    """Show where the database is and what `up` would run."""
    with _sentences():
        if stage:
            _tell(migration.ask(stage, "status"))
        else:
            _print_status()


@app.command("roles")
def make_roles(
    *,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print what makes the roles, for an administrator to run.")
    ] = False,
    wait: Wait = runner.WAIT_SECONDS,
) -> None:
    """Create the functions' roles and grant them their rights, without migrating."""
    with _sentences():
        if sql:
            sys.stdout.write(roles.script(owner_url(_database_url())))
            return
        runner.apply_roles(_database_url(), wait_seconds=wait)
        print("The functions' roles have the rights of the ownership map.")


@app.command()
def check(*, stage: StageOption = None) -> None:
    """Fail where the models and the migrated database differ."""
    with _sentences():
        if stage:
            migration.ask(stage, "check")
        else:
            runner.check(_database_url())
        print("The models and the database are the same.")


@app.command()
def new(message: Annotated[str, typer.Argument(help="What it does, in a few words.")]) -> None:
    """Write a revision from the differences between the models and the database, to be corrected by hand."""
    with _sentences():
        print(runner.create(_database_url(), message).relative_to(Path.cwd(), walk_up=True))


def _database_url() -> str:
    stack = None if "DATABASE_URL" in os.environ else running_stack(Home.find())
    if stack is None or stack.postgres_port is None:
        return secret_settings().database_url
    return Cluster(Path(), Path(), None, stack.postgres_port).url(load_secrets(Home.find()))


def _print_status() -> None:
    found = runner.status(_database_url())
    _tell(migration.Answer(found.current, found.head, [(each.id, each.title) for each in found.pending]))


def _tell(found: migration.Answer) -> None:
    print(f"At {found.revision or 'base'}, head is {found.head}.")
    for revision, title in found.pending:
        print(f"  pending: {revision}  {title}")


@contextmanager
def _sentences() -> Iterator[None]:
    # For eyes, unless LOG_FORMAT says otherwise.
    os.environ.setdefault("LOG_FORMAT", "console")
    configure_logs()
    try:
        yield
    except (MigrationError, DeploymentFailed) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
