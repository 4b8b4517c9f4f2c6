"""Conversations as a client has them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.support.world import Person

PATH: Final = "/v1/ai/conversations"

type Json = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    id: str
    kind: str
    data: Json

    @property
    def number(self) -> int:
        return int(self.id.rpartition(":")[2])


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a stream, as a browser reads them; comments are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def words(told: Iterable[Event]) -> str:
    """What all deltas say together."""
    return "".join(event.data["content"] for event in told if event.kind == "delta")


@dataclass(frozen=True)
class Talk:
    """A conversation, and who has it over which client."""

    api: httpx.Client
    person: Person
    id: str

    @property
    def path(self) -> str:
        return f"{PATH}/{self.id}"

    @property
    def headers(self) -> dict[str, str]:
        return self.person.headers

    def over(self, api: httpx.Client) -> "Talk":
        return Talk(api, self.person, self.id)

    def say(self, content: str, **more: Any) -> Json:
        """Say it, and have it answered whole."""
        body = {"content": content, "stream": False} | more
        answer = self.api.post(f"{self.path}/messages", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def try_to_say(self, content: str, **more: Any) -> httpx.Response:
        body = {"content": content, "stream": False} | more
        return self.api.post(f"{self.path}/messages", json=body, headers=self.headers)

    @contextmanager
    def saying(self, content: str, **more: Any) -> Iterator[Iterator[Event]]:
        """Say it, and hear the answer as it comes."""
        body = {"content": content, **more}
        with self.api.stream("POST", f"{self.path}/messages", json=body, headers=self.headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "no-transform" in answer.headers["cache-control"]
            yield events(answer.iter_lines())

    @contextmanager
    def listening(self, message_id: str, last: str | None = None) -> Iterator[Iterator[Event]]:
        """Hear an answer again, after the event with this id."""
        headers = self.headers | ({"Last-Event-ID": last} if last else {})
        path = f"{self.path}/messages/{message_id}/events"
        with self.api.stream("GET", path, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            yield events(answer.iter_lines())

    def stop(self, message_id: str) -> Json:
        answer = self.api.post(f"{self.path}/messages/{message_id}/stop", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def message(self, message_id: str) -> Json:
        answer = self.api.get(f"{self.path}/messages/{message_id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def messages(self, **query: Any) -> list[Json]:
        answer = self.api.get(f"{self.path}/messages", params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def read(self) -> Json:
        answer = self.api.get(self.path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def begin(api: httpx.Client, person: Person, model: str = "tiny", **more: Any) -> Talk:
    """A new conversation."""
    answer = api.post(PATH, json={"model": model, **more}, headers=person.headers)
    assert answer.status_code == 201, answer.text
    return Talk(api, person, answer.json()["id"])
