"""What a generation has said, for those who listen to it in this process."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from functions.ai.streaming.events import Json, Told

KEPT: Final = 1024
"""So many events stay here once they are stored; who is further behind reads the others from the database."""


class Feed:
    """The latest events of one message, and at last those of its end."""

    def __init__(self, message_id: UUID, first: int = 1) -> None:
        """Events from the number `first` on will be here."""
        self.message_id = message_id
        self.ending: list[Told] | None = None
        self._left_at = time.monotonic()
        self._events: list[Json] = []
        self._first = first
        self._listeners: set[asyncio.Event] = set()

    @property
    def next(self) -> int:
        """The number of the event that comes next."""
        return self._first + len(self._events)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens."""
        return bool(self._listeners)

    def silent_for(self) -> float:
        """For how many seconds nobody has listened."""
        return 0.0 if self.is_heard else time.monotonic() - self._left_at

    def expect(self) -> None:
        """Somebody is about to listen."""
        self._left_at = time.monotonic()

    def add(self, *events: Json) -> None:
        """More was said."""
        self._events.extend(events)
        self._wake()

    def end(self, ending: list[Told]) -> None:
        """Nothing more will be said."""
        self.ending = ending
        self._wake()

    def since(self, number: int) -> Sequence[Json] | None:
        """The events after this number; None where the first of them are not here any more."""
        index = number + 1 - self._first
        return None if index < 0 else self._events[index:]

    def drop(self, stored: int) -> None:
        """Events below this number are stored: only the latest of them are still kept here."""
        surplus = stored - self._first - KEPT
        # Some at a time, as each time moves all that stay.
        if surplus >= KEPT:
            del self._events[:surplus]
            self._first += surplus

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Listen: the event is set whenever something is new."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)
            self._left_at = time.monotonic()

    def _wake(self) -> None:
        for event in self._listeners:
            event.set()
