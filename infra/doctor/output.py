"""What is shown: for eyes, one line a check with what to do beside it; for machines, JSON."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.doctor.findings import State
from infra.doctor.places import Viewpoint
from infra.doctor.running import EdgeReport, worst

_MARKS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.FAILED: ("✗", "red")}
_WORDS: Final = {State.OK: "ok", State.WARNING: "warning", State.FAILED: "failed"}
_CHECK_WIDTH: Final = 10

type Hide = Callable[[str], str]


def show_edge(console: Console, report: EdgeReport, hide: Hide) -> None:
    """An edge and its checks. What is no terminal gets no colour, and one unbroken line a check."""
    heading = Text.assemble((report.edge.name, "bold"), "  ", (hide(report.edge.address), "dim"))
    console.print("")
    console.print(heading, soft_wrap=True)
    if console.is_terminal:
        console.print(_table(report, hide))
        return
    for each in report.seen:
        fix = f" -> {hide(each.finding.fix)}" if each.finding.fix else ""
        line = f"  {_WORDS[each.finding.state]:<7}  {each.check:<{_CHECK_WIDTH}}  {hide(each.finding.found)}"
        console.print(line + fix, markup=False, soft_wrap=True)


def _table(report: EdgeReport, hide: Hide) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column(width=_CHECK_WIDTH)
    table.add_column(overflow="fold")
    for each in report.seen:
        mark, colour = _MARKS[each.finding.state]
        said = Text(hide(each.finding.found))
        if each.finding.fix:
            said.append(" → ", "dim").append(hide(each.finding.fix), colour)
        table.add_row(Text(mark, colour), Text(each.check, "dim"), said)
    return table


def show_sum(console: Console, reports: Sequence[EdgeReport]) -> None:
    """One sentence."""
    states = [each.finding.state for report in reports for each in report.seen]
    failures, warnings = states.count(State.FAILED), states.count(State.WARNING)
    console.print("")
    if failures:
        first = next(report for report in reports if report.state is State.FAILED)
        also = f", {_counted(warnings, 'warning')}" if warnings else ""
        sentence = f"{_counted(failures, 'check')} failed{also}. Begin with {first.edge.name}."
        console.print(Text(sentence, "red"), soft_wrap=True)
    elif warnings:
        console.print(Text(f"It works, with {_counted(warnings, 'warning')}.", "yellow"), soft_wrap=True)
    else:
        console.print(Text("All is well.", "green"), soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def as_object(view: Viewpoint, reports: Sequence[EdgeReport], hide: Hide) -> dict[str, Any]:
    """For machines: states are `ok`, `warning`, `failed`; `exit_code` is 0, 1, 2."""
    state = worst(report.state for report in reports)
    return {
        "state": _WORDS[state],
        "exit_code": int(state),
        "from": view.service,
        "place": view.here.value,
        "stack": view.stack_url or None,
        "edges": [
            {
                "edge": report.edge.name,
                "address": hide(report.edge.address),
                "state": _WORDS[report.state],
                "checks": [
                    {
                        "check": each.check,
                        "state": _WORDS[each.finding.state],
                        "found": hide(each.finding.found),
                        "fix": hide(each.finding.fix),
                    }
                    for each in report.seen
                ],
            }
            for report in reports
        ],
    }
