"""`lambkin doctor`: who cannot reach whom, and why."""

import json
import os
from collections.abc import Callable
from typing import Annotated, Final

import typer
from pydantic_settings import SettingsError as Unreadable
from rich.console import Console

from common.settings import Settings, SettingsError, get_settings
from infra.doctor import output
from infra.doctor.edges import Network
from infra.doctor.findings import Check, Edge, State, failed
from infra.doctor.places import SERVICES, Viewpoint, viewpoint
from infra.doctor.running import EdgeReport, run, worst
from infra.doctor.secrecy import hiding
from infra.local import environment
from infra.local.home import Home, HomeDamaged
from infra.local.state import running_stack

app = typer.Typer(pretty_exceptions_enable=False)

_SERVICES: Final = ", ".join(f"`{name}`" for name in SERVICES)


def _service(value: str | None) -> str | None:
    if value is not None and value not in SERVICES:
        raise typer.BadParameter(f"{value} is none of {', '.join(SERVICES)}.")
    return value


def _origin(value: list[str] | None) -> list[str] | None:
    for origin in value or ():
        if not origin.startswith(("http://", "https://")):
            raise typer.BadParameter(
                "an origin is what the browser shows up to the port: http://localhost:3000."
            )
    return value


@app.command()
def doctor(
    *,
    service: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SERVICE",
            callback=_service,
            help=f"Look from the place of one of {_SERVICES}. Default: for all of them, from here.",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            callback=_origin,
            help="The origin of the pages that call, as the browser shows it; may be repeated. "
            "Default: what the settings allow.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Say who cannot reach whom, why, and what to do.

    It looks at the stack that `lambkin up` runs here, or, where there is none or DATABASE_URL is set, at what
    the environment's settings name. Each edge of the network is a chain of checks: the name, the connection,
    what answers, the usual causes. All edges at once take at most 10 seconds, and nothing is written.

    Exit code: 0 all is well, 1 there are warnings, 2 something failed.
    """
    stack_url = _enter()
    view = viewpoint(service, stack_url)
    console = Console(highlight=False, soft_wrap=False)
    edges, hide = _edges(view, origin or [])
    if not as_json:
        console.print(view.sentence(), soft_wrap=True)
    reports = []
    for report in run(edges):
        reports.append(report)
        if not as_json:
            output.show_edge(console, report, hide)
    if as_json:
        typer.echo(json.dumps(output.as_object(view, reports, hide), ensure_ascii=False, indent=2))
    else:
        output.show_sum(console, reports)
    raise typer.Exit(_exit_code(reports))


def _exit_code(reports: list[EdgeReport]) -> int:
    return int(worst(report.state for report in reports))


def _enter() -> str:
    """Take the settings of the stack that runs here, unless DATABASE_URL names another database; its URL."""
    home = Home.find()
    stack = None if "DATABASE_URL" in os.environ else running_stack(home)
    if stack is None or stack.postgres_port is None:
        return ""
    emulator = stack.emulator_url or None
    try:
        found = environment.of_stack(home, stack.url, stack.postgres_port, emulator_url=emulator)
    except HomeDamaged as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(State.FAILED) from None
    os.environ.update(found)
    get_settings.cache_clear()
    return stack.url


def _edges(view: Viewpoint, origins: list[str]) -> tuple[list[Edge], Callable[[str], str]]:
    try:
        settings: Settings = get_settings()
    except (SettingsError, Unreadable) as error:
        fault = failed(str(error), "Correct the variable: README.md has the table of settings.")
        return [Edge("settings", "", [Check("settings", lambda: iter([fault]))])], str
    return Network(settings, view, origins).edges(), hiding(settings)
