"""`lambkin build`: the artifacts that Lambda gets."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from infra.build.artifacts import Wanted, build_into
from infra.build.artifacts import build as build_artifact
from infra.build.report import report as report_on
from infra.build.targets import ARCHITECTURES, LAYER, Architecture, BuildFailed, names, of_resource
from infra.local.home import shown

_OF_MACHINES: Final = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
ARCHITECTURE_VARIABLE: Final = "LAMBDA_ARCHITECTURE"
EXTRAS_VARIABLE: Final = "LAMBDA_EXTRAS"
BUNDLE_VARIABLE: Final = "LAMBDA_BUNDLE_LAYER"


Extras = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        envvar=EXTRAS_VARIABLE,
        help="An optional dependency group of pyproject.toml that the layer is to hold as well.",
    ),
]
BundleLayer = Annotated[
    bool,
    typer.Option(
        "--bundle-layer",
        envvar=BUNDLE_VARIABLE,
        help="Put the layer inside, for emulators that ignore layers.",
    ),
]


def bundles_layer() -> bool:
    """Whether the environment says so, for builds that nobody gives options to."""
    return os.environ.get(BUNDLE_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def build(  # noqa: PLR0913 - each is an option of the command
    function: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to build: {', '.join(names())}; all of them where none is named."),
    ] = None,
    *,
    architecture: Annotated[
        str, typer.Option("--arch", envvar=ARCHITECTURE_VARIABLE, help=f"{' or '.join(ARCHITECTURES)}.")
    ] = "x86_64",
    extra: Extras = None,
    bundle_layer: BundleLayer = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Tell sizes and modules at start; fail where a budget is exceeded."),
    ] = False,
    resource: Annotated[
        str | None,
        typer.Option("--resource", help="With --into: build this resource of template.yaml."),
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="The folder to build that resource into.")
    ] = None,
) -> None:
    """Build the artifacts into build/ARCH, the same bytes each time.

    Exit code 1 says that one cannot be built, 3 that one exceeds a budget.
    """
    wanted = Wanted(_known(architecture), tuple(extra or ()), bundle_layer)
    with _failures_told():
        if resource and into:
            build_into(of_resource(resource), into, wanted, typer.echo)
        else:
            _build(list(dict.fromkeys(function or names())), wanted, with_report=report)


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except BuildFailed as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _build(chosen: list[str], wanted: Wanted, *, with_report: bool) -> None:
    for name in chosen:
        archive = build_artifact(name, wanted, typer.echo).with_suffix(".zip")
        typer.echo(f"{name}: {shown(archive)}, {archive.stat().st_size / 1_000_000:,.1f} MB")
    if with_report:
        _report(chosen, wanted)


def _known(architecture: str) -> Architecture:
    for known in ARCHITECTURES:
        if known == architecture:
            return known
    typer.echo(f"There is no architecture {architecture}: Lambda has {', '.join(ARCHITECTURES)}.", err=True)
    raise typer.Exit(2)


def _report(chosen: list[str], wanted: Wanted) -> None:
    native = _OF_MACHINES.get(platform.machine()) == wanted.architecture and os.name == "posix"
    if not native:
        typer.echo(f"No report: what is built for {wanted.architecture} cannot be started on this machine.")
        return
    needed = [] if LAYER in chosen or wanted.bundle_layer else [LAYER]
    for name in needed:
        build_artifact(name, wanted, typer.echo)
    lines = report_on(chosen, wanted)
    for line in lines:
        typer.echo(str(line))
    if any(line.is_over for line in lines):
        typer.echo("Over budget: see infra/build/budgets.toml.", err=True)
        raise typer.Exit(3)
