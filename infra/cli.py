"""The `lambkin` command. A command's module is imported when that command runs, and no sooner."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Lazy:
    """A command that is not imported yet: `module:name`, and what it does in a few words.

    The name is that of a function with typer's annotations, or of a `typer.Typer` with commands of its own.
    """

    target: str
    summary: str


COMMANDS: Mapping[str, Lazy] = {
    "up": Lazy("infra.local.commands:up", "Start everything on this machine."),
    "down": Lazy("infra.local.commands:down", "Stop the stack that runs here."),
    "mail": Lazy("infra.local.commands:mail", "Show what the stack has sent."),
    "seed": Lazy("infra.local.commands:seed", "Make the demo accounts, or show them."),
    "reset": Lazy("infra.local.commands:reset", "Delete the stack's data."),
    "migrate": Lazy("infra.commands.migrate:app", "Move the database's schema."),
    "user": Lazy("infra.commands.user:app", "Make accounts, the first administrator among them."),
    "doctor": Lazy("infra.commands.doctor:app", "Say who cannot reach whom, and why."),
    "keys": Lazy("infra.commands.keys:app", "Replace the keys of signatures and of encryption."),
    "files": Lazy("infra.commands.files:app", "Compare the bucket with the database."),
    "build": Lazy("infra.commands.build:build", "Build the artifacts that Lambda gets."),
    "deploy": Lazy("infra.commands.deploy:deploy", "Deploy the stack, or some functions alone."),
    "rollback": Lazy("infra.commands.deploy:rollback", "Move a function back to an earlier version."),
    "urls": Lazy("infra.commands.deploy:urls", "Show where a stage's functions answer."),
    "invoke": Lazy("infra.commands.deploy:invoke", "Send one event to a function."),
    "logs": Lazy("infra.commands.deploy:logs", "Show what a function has logged."),
    "secrets": Lazy("infra.commands.deploy:put_secrets", "Make or replace the secrets of a stage."),
    "openapi": Lazy("infra.commands.openapi:app", "Write the OpenAPI documents."),
    "docs": Lazy("infra.commands.docs:app", "Write the tables of README.md and docs/operations.md."),
}


class LazyGroup(TyperGroup):
    """Knows all names and summaries, and imports the one command that is called."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        placeholders = {
            name: TyperCommand(name, callback=_load, help=lazy.summary) for name, lazy in COMMANDS.items()
        }
        super().__init__(**attributes | {"commands": placeholders})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer keeps these types to itself
        """The command that the arguments name, imported."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, _load(COMMANDS[name]) if name is not None else found, rest


def _load(lazy: Lazy) -> Any:  # noqa: ANN401 - typer keeps its commands' class to itself
    module, _, name = lazy.target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        sys.exit(
            f"This command needs the module {error.name}, which is not installed; `uv sync` installs it."
        )
    if not isinstance(found, typer.Typer):
        single = typer.Typer()
        single.command()(found)
        found = single
    # Completion is the whole program's affair.
    found._add_completion = False  # noqa: SLF001 - there is no other way to say so afterwards
    return typer.main.get_command(found)


application = typer.Typer(
    name="lambkin",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An application backend made of small functions.",
)


@application.callback()
def _root() -> None:
    """An application backend made of small functions."""


def main() -> None:
    """Run the command that the arguments name."""
    application(prog_name="lambkin")


if __name__ == "__main__":
    main()
