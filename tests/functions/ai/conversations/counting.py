"""What `ai` asks the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from common.database.engine import get_engine
from tests.functions.ai.conversations.talking import Talk, words


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that `ai` sends meanwhile."""
    sent: list[str] = []

    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    engine = get_engine("ai")
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", count)


def hear(talk: Talk, tokens: int) -> int:
    """Have so many said; how many were heard."""
    with talk.saying(f"say {tokens}") as heard:
        return len(words(heard).split())
