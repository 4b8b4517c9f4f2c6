"""What a request costs: the statements that it runs, and the passwords that it hashes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

from tests.support.numbers import number


@dataclass
class Cost:
    """`texts` are the statements as they are sent, without their values."""

    texts: list[str] = field(default_factory=list)
    hashes: int = 0

    @property
    def statements(self) -> int:
        return len(self.texts)


def _hashes() -> int:
    return int(number("lambkin_password_hashes_total"))


@contextmanager
def cost_of_requests() -> Iterator[Cost]:
    """Measures what this process does in the database meanwhile."""
    cost = Cost()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        cost.texts.append(statement)

    before = _hashes()
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield cost
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        cost.hashes = _hashes() - before
