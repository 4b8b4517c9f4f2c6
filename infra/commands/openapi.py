"""`lambkin openapi`: the committed description of the API, and whether `changes.md` tells of its changes."""

from typing import Annotated

import typer

from infra.contract import changelog, documents
from infra.contract.compatibility import compare
from infra.contract.operations import operations
from infra.local.home import shown
from infra.local.openapi_merge import OpenAPIConflict

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def openapi(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; fail where a document or changes.md is not up to date."),
    ] = False,
    release: Annotated[
        bool, typer.Option("--release", help="Make today's API the one that later changes are compared with.")
    ] = False,
) -> None:
    """Write the OpenAPI document of each function and the merged one to tests/contract."""
    if check and release:
        raise typer.BadParameter("--check writes nothing: leave out --release.")
    try:
        if not check:
            _write()
        complaints = [*documents.differences(), *changes_missing()]
    except OpenAPIConflict as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    for sentence in complaints:
        typer.echo(sentence, err=True)
    # After a plain `lambkin openapi` they are a reminder: the documents are written.
    if complaints and (check or release):
        raise typer.Exit(1)
    if release:
        documents.release()
        typer.echo(f"{shown(documents.FOLDER / documents.RELEASED)} is today's API.")


def changes_missing() -> list[str]:
    """A sentence for each change of the API since the last release that `changes.md` does not tell."""
    old, new = documents.released(), documents.current()[documents.MERGED]
    known = {*operations(old), *operations(new)}
    entries = changelog.unreleased(changelog.read())
    return list(changelog.complaints(compare(old, new), entries, known))


def _write() -> None:
    changed = documents.write()
    for name in changed:
        typer.echo(f"Wrote {shown(documents.FOLDER / name)}.")
    if not changed:
        typer.echo("All documents are up to date.")
