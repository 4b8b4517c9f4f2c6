"""`lambkin docs`: the tables of README.md and docs/operations.md that are made from the code."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le, MinLen
from pydantic.fields import FieldInfo

from common.metrics import METRICS, Metric
from common.settings import INSECURE_KEY, INSECURE_SECRET, Settings
from infra.contract import documents
from infra.contract.operations import METHODS
from infra.local.home import PROJECT

app = typer.Typer(pretty_exceptions_enable=False)

README: Final = PROJECT / "README.md"
DOCUMENTS: Final = (README, PROJECT / "docs/operations.md")
_BLOCK: Final = re.compile(
    r"(?P<begin><!-- (?P<name>[a-z]+), from the code[^>]*-->\n).*?(?P<end><!-- end -->)", re.DOTALL
)
# Every function has them.
_PROBES: Final = ("/livez", "/readyz")


@app.command()
def docs(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where it is not up to date.")
    ] = False,
) -> None:
    """Write the tables of README.md and docs/operations.md that are made from the code."""
    outdated = False
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        wanted = with_tables(text)
        if text == wanted:
            typer.echo(f"{path.name} is up to date.")
        elif check:
            outdated = True
            typer.echo(
                f"{path.name} has tables that are not what the code says: run `lambkin docs`.", err=True
            )
        else:
            path.write_text(wanted, encoding="utf-8")
            typer.echo(f"Wrote {path.name}.")
    if outdated:
        raise typer.Exit(1)


def with_tables(text: str) -> str:
    """`text` with each table between its marks made anew. Raises KeyError for a mark without a table."""
    return _BLOCK.sub(lambda block: f"{block['begin']}\n{_TABLES[block['name']]()}\n{block['end']}", text)


def settings_table() -> str:
    """Every setting with its default and its meaning, as Markdown."""
    rows = [
        f"| `{name.upper()}` | {_default(field)} | {' '.join(_meaning(field))} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def operations_table() -> str:
    """Every operation but the probes that all functions have, as Markdown."""
    paths = documents.current()[documents.MERGED]["paths"]
    rows = [
        f"| `{method.upper()} {path}` | {operation['summary']} |"
        for path, item in sorted(paths.items())
        if not path.endswith(_PROBES)
        for method in METHODS
        if (operation := item.get(method))
    ]
    return "\n".join(["| operation | |", "|---|---|", *rows, ""])


def metrics_table() -> str:
    """Every metric with its labels and its name in CloudWatch, as Markdown."""
    rows = [
        f"| `{name}` | {metric.kind} | {_names(metric.labels)} | {_names(_in_cloudwatch(metric))} "
        f"| {metric.meaning} |"
        for name, metric in sorted(METRICS.items())
    ]
    return "\n".join(
        ["| metric | kind | labels | in CloudWatch | meaning |", "|---|---|---|---|---|", *rows, ""]
    )


def _in_cloudwatch(metric: Metric) -> tuple[str, ...]:
    if metric.cloudwatch and metric.split:
        return (f"{metric.cloudwatch}_<{metric.split}>",)
    return (metric.cloudwatch,) if metric.cloudwatch else ()


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_TABLES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_table,
    "operations": operations_table,
    "metrics": metrics_table,
}


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value in (INSECURE_SECRET, (INSECURE_KEY,)):
        return "one for development"
    if value is None:
        return "unset"
    if value in ((), {}, ""):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _meaning(field: FieldInfo) -> Iterator[str]:
    yield (field.description or "").replace("|", "\\|")
    if get_origin(field.annotation) is Literal:
        *others, last = (f"`{choice}`" for choice in get_args(field.annotation))
        yield f"{', '.join(others)} or {last}."
    if bounds := [_bound(each) for each in field.metadata if isinstance(each, Ge | Gt | Le | MinLen)]:
        yield f"{' and '.join(bounds).capitalize()}."


def _bound(bound: Any) -> str:  # noqa: ANN401 - one of four classes without a common one
    match bound:
        case Ge():
            return f"at least {bound.ge}"
        case Gt():
            return f"more than {bound.gt}"
        case Le():
            return f"at most {bound.le}"
    return f"at least {bound.min_length} characters"
