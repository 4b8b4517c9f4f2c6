"""What a stream of events does between a model and a client of different pace."""

import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from functions.ai.endpoints import streams
from functions.ai.endpoints.streams import MOST_READY, EventStream
from tests.functions.ai.sse import Client

MANY = 10 * MOST_READY


class Model:
    """Says numbers as fast as they are taken."""

    def __init__(self) -> None:
        self.said = 0
        self.closed = False

    async def chunks(self) -> AsyncGenerator[dict[str, Any]]:
        try:
            for number in range(MANY):
                self.said += 1
                yield {"n": number}
        finally:
            self.closed = True


def test_events_that_are_ready_share_a_write_and_none_is_lost_or_moved() -> None:
    async def read() -> list[bytes]:
        events = EventStream(Model().chunks(), Client().request)
        await events.first()
        return [bytes(part) async for part in events.body_iterator]  # type: ignore[arg-type]  # it yields bytes

    parts = asyncio.run(read())
    lines = b"".join(parts).decode().split("\n\n")
    assert [json.loads(line.removeprefix("data: "))["n"] for line in lines[:-2]] == list(range(MANY))
    assert lines[-2:] == ["data: [DONE]", ""]
    assert len(parts) <= 2 * MANY / MOST_READY


def test_a_model_is_not_read_further_than_its_client_reads() -> None:
    async def leave() -> Model:
        model, client = Model(), Client()
        events = EventStream(model.chunks(), client.request)
        await events.first()
        await asyncio.sleep(0)
        assert model.said == MOST_READY
        assert not model.closed

        async def send(_: object) -> None:
            client.leaves.set()
            await asyncio.sleep(0)

        await events({"type": "http", "asgi": {"spec_version": "2.3"}}, client.receive, send)
        return model

    model = asyncio.run(leave())
    assert model.closed
    assert model.said < MANY


def test_a_client_that_stays_and_reads_nothing_occupies_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALLED_SECONDS", 0.05)

    async def stay() -> tuple[Model, bytes]:
        model, client, sent = Model(), Client(), bytearray()
        events = EventStream(model.chunks(), client.request)
        await events.first()

        async def send(message: MutableMapping[str, Any]) -> None:
            async with asyncio.timeout(5):
                while message["type"] == "http.response.body" and not model.closed:  # noqa: ASYNC110 - a flag
                    await asyncio.sleep(0.01)
            sent.extend(message.get("body", b""))

        await events({"type": "http", "asgi": {"spec_version": "2.3"}}, client.receive, send)
        return model, bytes(sent)

    model, sent = asyncio.run(stay())
    assert model.said < MANY
    *said, last, end = sent.decode().split("\n\n")
    assert len(said) == model.said
    assert (json.loads(last.removeprefix("data: "))["error"]["code"], end) == ("client_too_slow", "")


def test_who_leaves_before_the_first_word_leaves_no_model_at_work() -> None:
    class Silent(Model):
        async def chunks(self) -> AsyncGenerator[dict[str, Any]]:
            try:
                await asyncio.Event().wait()
                yield {}
            finally:
                self.closed = True

    async def leave() -> Model:
        model, client = Silent(), Client()
        asyncio.get_running_loop().call_soon(client.leaves.set)
        with pytest.raises(ClientDisconnect):
            await EventStream(model.chunks(), client.request).first()
        return model

    assert asyncio.run(leave()).closed
