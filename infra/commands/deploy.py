"""`lambkin deploy` and its kin: stages on AWS, or on an emulator."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from infra.build.artifacts import Wanted
from infra.build.artifacts import build as build_artifact
from infra.build.targets import ARCHITECTURES, BuildFailed
from infra.commands.build import bundles_layer
from infra.deploy import addresses, origin, sam, secrets, versions
from infra.deploy.answers import read_answer
from infra.deploy.here import invoke_here
from infra.deploy.stages import Client, DeploymentFailed, Stage, assignments
from infra.local import function_url
from infra.local.home import PROJECT

StageOption = Annotated[
    str, typer.Option("--stage", help="local (whatever answers on AWS_ENDPOINT_URL), dev or prod.")
]
FunctionArgument = Annotated[str, typer.Argument(help="Such as auth.")]
_TAIL: Final = 200
_METHODS: Final = re.compile(r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS")


def deploy(
    function: Annotated[
        list[str] | None,
        typer.Argument(help="Ship the code of these functions alone; the whole stack where none is named."),
    ] = None,
    *,
    stage: StageOption = "dev",
    release: Annotated[str | None, typer.Option(help="Its name; unset: the commit and the time.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the template, NAME=VALUE.", metavar="NAME=VALUE"),
    ] = None,
) -> None:
    """Build and deploy. A database that cannot be migrated stops it before any function changes.

    A function that is named is published as a version, looked at, and only then used.
    """
    with _sentences():
        wanted = Stage(stage)
        if function:
            for name in dict.fromkeys(function):
                _deploy_one(wanted, name)
            return
        given = assignments(parameter or ())
        sam.build(wanted, given)
        sam.deploy(wanted, release or _release(), given, _confirmed())
        _show(wanted)


def rollback(
    function: FunctionArgument,
    *,
    stage: StageOption = "dev",
    to: Annotated[
        str | None, typer.Option(help="N, or N/M for application and jobs; unset: what was live before.")
    ] = None,
) -> None:
    """Move a function and its jobs back to an earlier version."""
    with _sentences():
        versions.roll_back(Stage(stage), function, to, typer.echo)


def urls(
    *,
    stage: StageOption = "dev",
    env: Annotated[bool, typer.Option("--env", help="As lines for a frontend's .env.")] = False,
) -> None:
    """Show where the functions answer."""
    with _sentences():
        wanted = Stage(stage)
        if env:
            found = addresses.function_urls(wanted)
            typer.echo(addresses.as_environment(found, found.pop("origin", "")))
        else:
            _show(wanted)


def invoke(
    function: FunctionArgument,
    event: Annotated[
        list[str] | None,
        typer.Argument(help="A file of JSON, JSON itself, or METHOD PATH; unset: GET livez."),
    ] = None,
    *,
    stage: Annotated[
        str | None,
        typer.Option("--stage", help="local, dev or prod; unset: the sources here, as Lambda would."),
    ] = None,
    jobs: Annotated[bool, typer.Option("--jobs", help="The function's jobs instead.")] = False,
) -> None:
    """Send one event to a function and print what it answers; exit code 1 where it fails."""
    with _sentences():
        sent = _event(function, event or [])
        if stage is None:
            told, failed = invoke_here(function, json.dumps(sent), jobs=jobs)
        else:
            told, failed = _invoke_there(Stage(stage), function, sent, jobs=jobs)
        _print(told)
        if failed or (isinstance(told, dict) and told.get("statusCode", 200) >= 500):
            raise typer.Exit(1)


def logs(
    function: FunctionArgument,
    *,
    stage: StageOption = "dev",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    jobs: Annotated[bool, typer.Option("--jobs", help="The function's jobs instead.")] = False,
) -> None:
    """Show the last lines that a function has logged."""
    with _sentences():
        wanted = Stage(stage)
        group = f"/aws/lambda/{wanted.function_name(function, jobs=jobs)}"
        client = wanted.client("logs")
        seen: set[str] = set()
        since = int((time.time() - 3600) * 1000)
        while True:
            since = _print_log(client, group, since, seen)
            if not follow:
                return
            time.sleep(2)


def put_secrets(*, stage: StageOption = "dev") -> None:
    """Make or replace the secrets of a stage. DATABASE_URL is the owner's, in the environment.

    SERVER_SECRET and ENCRYPTION_KEYS stay as they are; a first time takes them from the environment, or
    makes them.
    """
    with _sentences():
        given = os.environ.get("DATABASE_URL")
        if not given:
            raise DeploymentFailed("Set DATABASE_URL to the database as its owner reaches it.")
        try:
            owner = make_url(given)
        except ArgumentError:
            raise DeploymentFailed("DATABASE_URL is no database's address.") from None
        if not owner.password:
            raise DeploymentFailed(
                "DATABASE_URL holds no password, from which those of the roles are derived."
            )
        secrets.keep(Stage(stage), owner, typer.echo)


def _deploy_one(stage: Stage, name: str) -> None:
    versions.parts(stage, name)
    architecture = stage.overrides.get("Architecture", "x86_64")
    [known] = [each for each in ARCHITECTURES if each == architecture]
    archive: Path = build_artifact(name, Wanted(known, bundle_layer=bundles_layer()), typer.echo).with_suffix(
        ".zip"
    )
    versions.ship(stage, name, archive, typer.echo)


def _release() -> str:
    described = ""
    if git := shutil.which("git"):
        describe = [git, "describe", "--always", "--dirty"]
        told = subprocess.run(describe, cwd=PROJECT, capture_output=True, text=True, check=False)
        described = told.stdout.strip()
    return f"{described or 'unversioned'} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _confirmed() -> list[str]:
    # Nobody can answer a question in a pipeline.
    return [] if sys.stdin.isatty() else ["--no-confirm-changeset"]


def _show(stage: Stage) -> None:
    found = addresses.function_urls(stage)
    for name, url in found.items():
        typer.echo(f"{name:<8} {url}")
    if found and stage.endpoint and not all(addresses.resolves(url) for url in found.values()):
        typer.echo(
            "This machine does not resolve *.localhost. curl and browsers do by themselves; other programs "
            "need the host in /etc/hosts, or send it as the Host header to the emulator's address.",
            err=True,
        )


def _event(function: str, given: list[str]) -> object:
    if not given:
        given = ["GET", f"/v1/{function}/livez"]
    if len(given) == 2 and _METHODS.fullmatch(given[0]):
        path, _, query = given[1].partition("?")
        return function_url.to_event(given[0], path, query, [], b"", "127.0.0.1")
    text = given[0]
    try:
        if not text.lstrip().startswith(("{", "[")):
            text = Path(text).read_text(encoding="utf-8")
        event: object = json.loads(text)
    except (OSError, ValueError) as error:
        raise DeploymentFailed(
            f"{given[0]} is no file of JSON, no JSON, and no METHOD PATH: {error}"
        ) from None
    return event


def _invoke_there(stage: Stage, function: str, event: object, *, jobs: bool) -> tuple[Any, bool]:
    payload = origin.as_through_the_proxy(stage, event, partial(typer.echo, err=True))
    answer = stage.client("lambda").invoke(
        FunctionName=stage.function_name(function, jobs=jobs),
        Qualifier=versions.ALIAS,
        Payload=json.dumps(payload).encode(),
    )
    return read_answer(answer["Payload"].read()), "FunctionError" in answer


def _print(told: Any) -> None:  # noqa: ANN401 - JSON
    if isinstance(told, dict) and "statusCode" in told:
        typer.echo(f"{told['statusCode']}")
        for name, value in (told.get("headers") or {}).items():
            typer.echo(f"{name}: {value}")
        typer.echo(f"\n{told.get('body', '')}")
    else:
        typer.echo(json.dumps(told, indent=2))


def _print_log(client: Client, group: str, since: int, seen: set[str]) -> int:
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    events = [event for page in pages for event in page["events"] if _identity(event) not in seen]
    for event in events[-_TAIL:]:
        typer.echo(str(event["message"]).rstrip("\n"))
    seen.update(_identity(event) for event in events)
    return max([since, *(int(event["timestamp"]) for event in events)])


def _identity(event: dict[str, Any]) -> str:
    # Emulators give events no id.
    return str(event.get("eventId") or (event["timestamp"], event.get("logStreamName"), event["message"]))


@contextmanager
def _sentences() -> Iterator[None]:
    """What goes wrong is one sentence and exit code 1."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (DeploymentFailed, BuildFailed) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except (BotoCoreError, ClientError) as error:
        typer.echo(f"AWS said: {error}", err=True)
        raise typer.Exit(1) from None
