"""`lambkin files`: do the bucket and the database agree?"""

import sys
from typing import Annotated, Final, NoReturn

import typer
from sqlalchemy.exc import SQLAlchemyError

from common.bucket import BucketFailed
from common.database import get_database
from common.settings import get_settings
from functions.files.verification import Findings
from functions.files.verification import verify as compare
from infra.commands.entering import advised, enter
from infra.local.home import HomeDamaged

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The files in the bucket.")

DISAGREES: Final = 1
UNREACHED: Final = 3
_SHOWN: Final = 20


@app.callback()
def files() -> None:
    """The files in the bucket."""


@app.command()
def verify(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Remove what nothing knows of, give up what is lost, count anew.")
    ] = False,
) -> None:
    """Compare the bucket with the database, in the stack that runs here or in what the environment names.

    Exit code 1 where they do not agree and nothing was repaired, 3 where one of them cannot be reached.
    """
    try:
        enter("files", "lambkin files verify")
        findings = compare(get_database("files"), fix=fix, progress=_show)
    except HomeDamaged as error:
        _refuse(str(error))
    except BucketFailed as error:
        _refuse(f"The bucket {get_settings().bucket} does not answer as it should: {error}.")
    except (SQLAlchemyError, OSError) as error:
        _refuse(advised(error))
    _end_line()
    _tell(findings, fixed=fix)
    if not findings.agrees and not fix:
        raise typer.Exit(DISAGREES)


def _show(looked_at: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{looked_at:,} objects", end="", file=sys.stderr, flush=True)


def _end_line() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _tell(findings: Findings, *, fixed: bool) -> None:
    print(f"{findings.looked_at:,} objects in the bucket {get_settings().bucket} were looked at.")
    if findings.agrees:
        print("The bucket and the database agree.")
        return
    done = "removed" if fixed else "nothing knows of them"
    _list(f"{len(findings.orphans)} objects without a record, {done}", findings.orphans)
    done = "their files are rejected as lost" if fixed else "their bytes are gone"
    _list(f"{len(findings.missing)} records without an object, {done}", findings.missing)
    done = "counted anew" if fixed else "not what their files come to"
    _list(f"{len(findings.miscounted)} accounts' usage, {done}", [str(each) for each in findings.miscounted])
    if not fixed:
        print("Repair it with `lambkin files verify --fix`.")


def _list(heading: str, found: list[str]) -> None:
    if not found:
        return
    print(f"{heading}:")
    for each in found[:_SHOWN]:
        print(f"  {each}")
    if found[_SHOWN:]:
        print(f"  … and {len(found) - _SHOWN} more")


def _refuse(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(UNREACHED)
