"""What the terminal shows: steps while the stack starts, then what runs, then the logs.

Where nobody watches (no terminal: CI, a pipe) every change is a plain line.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

REFRESH = 10  # times a second
COLOURS = {"server": "cyan", "jobs": "magenta"}


@dataclass
class Step:
    """A line of the progress list. `state` is waiting, running, done, warned or failed."""

    name: str
    detail: str = ""
    state: str = "waiting"
    started: float = 0.0
    seconds: float = 0.0


class Progress:
    """The steps of a start; several run at a time."""

    def __init__(self, plain: Callable[[str], None], names: Sequence[str]) -> None:
        self._plain = plain
        self.steps = {name: Step(name) for name in names}
        self._spinner = Spinner("dots", style="cyan")

    def say(self, name: str, detail: str) -> None:
        """A step is under way, at this."""
        step = self.steps[name]
        if step.state == "waiting":
            step.started = time.monotonic()
        step.state = "running"
        if detail != step.detail:
            step.detail = detail
            self._plain(f"{name}: {detail} ...")

    def done(self, name: str, detail: str, *, warned: bool = False) -> None:
        """A step has ended well, or with something to know about."""
        step = self.steps[name]
        step.seconds = time.monotonic() - step.started if step.started else 0.0
        step.state, step.detail = "warned" if warned else "done", detail
        self._plain(f"{name}: {detail} ({step.seconds:.1f} s)")

    def fail_running(self) -> None:
        """Mark what was under way when the start was given up."""
        for step in self.steps.values():
            if step.state == "running":
                step.state = "failed"

    def __rich__(self) -> Table:
        """The list as it stands."""
        table = Table.grid(padding=(0, 1))
        marks: dict[str, Text | Spinner] = {
            "waiting": Text("·", "dim"),
            "running": self._spinner,
            "done": Text("✓", "green"),
            "warned": Text("!", "yellow"),
            "failed": Text("✗", "red"),
        }
        for step in self.steps.values():
            took = f"{step.seconds:.1f} s" if step.seconds else ""
            detail = Text(step.detail, "dim" if step.state == "running" else "", overflow="ellipsis")
            table.add_row(" ", marks[step.state], Text(step.name, "bold"), detail, Text(took, "dim"))
        return table


class Screen:
    """The terminal, or what stands in for it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=False)

    @property
    def watched(self) -> bool:
        """Whether this is a terminal that can be drawn on."""
        return self.console.is_terminal

    def plain(self, text: str) -> None:
        """A line for where nobody watches."""
        if not self.watched:
            self.console.print(text, markup=False, soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """A line for everybody."""
        self.console.print(Text(text, style), soft_wrap=True)

    def panel(self, title: str, lines: Sequence[str], style: str = "red") -> None:
        """Something that must not be overlooked, with the lines that explain it."""
        if self.watched:
            body = Text("\n".join(lines) or "(it wrote nothing)")
            self.console.print(Panel(body, title=Text(title, "bold"), title_align="left", border_style=style))
            return
        self.plain(f"--- {title}")
        for line in lines:
            self.plain(f"    {line}")
        self.plain("---")

    def log_line(self, name: str, line: str) -> None:
        """A line of a child's log."""
        text = Text.assemble((f"{name:>6} ", COLOURS.get(name, "dim")), ("│ ", "dim"))
        text.append_text(Text.from_ansi(line) if self.watched else Text(line))
        if "[error" in line or "[critical" in line:
            text.stylize("red", 9)
        elif "[warning" in line:
            text.stylize("yellow", 9)
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def progress(self, names: Sequence[str]) -> Iterator[Progress]:
        """Show these steps until the block ends."""
        steps = Progress(self.plain, names)
        if not self.watched:
            yield steps
            return
        with Live(Group(steps), console=self.console, refresh_per_second=REFRESH):
            try:
                yield steps
            except BaseException:
                steps.fail_running()
                raise
