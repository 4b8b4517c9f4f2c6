"""A small server that speaks Ollama's published protocol over real sockets, with its faults on command.

What it does is told by the name of the model: `tiny` answers, each name in FAULTS goes wrong in its own way.
A prompt `say N` has it say N words. It remembers what it was asked, and whose client went away.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from tests.support.waiting import eventually

MODEL: Final = "tiny:1b"
FAULTS: Final = {
    "silent": "takes the request, and never answers",
    "loading": "answers, but only once it is let",
    "dying": "resets the connection in mid-stream",
    "half-line": "ends in the middle of a line",
    "undone": "ends without saying that it is done",
    "html": "answers with a page of some proxy",
    "error-line": "tells of an error in mid-stream, under status 200",
    "garbage": "says what is no JSON",
    "busy": "503, its queue is full",
    "crashed": "500, with a sentence of its own",
    "refusing": "400, it cannot do that",
    "no-chat": "404 without Ollama's words, as something else would",
    "stuck": "says two words, and no more",
    "endless": "never stops",
    "odd": "counts in words",
}
_MODIFIED: Final = "2026-11-03T10:11:12.5+01:00"
_REFUSALS: Final = {
    "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "crashed": (500, "llama runner process has terminated: exit status 2"),
    "refusing": (400, '"refusing" does not support chat'),
}

type Json = dict[str, Any]


@dataclass
class Call:
    """One request, and what became of it."""

    path: str
    headers: dict[str, str]
    body: Json
    said: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def prompt(self) -> str:
        """The last thing that was said to it."""
        messages = self.body.get("messages") or [{"content": ""}]
        return str(messages[-1]["content"])


class FakeOllama:
    """What it was asked, and what lets `loading` models go on."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.loaded = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def asked(self, prompt: str) -> Call:
        """The call with this prompt, once it has come."""
        return eventually(lambda: [call for call in self.calls if prompt in call.prompt])[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with one request: it is closed with the answer."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            call = await _read(reader)
            if call is not None:
                self.calls.append(call)
                await _Answer(self, call, reader, writer).give()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with suppress(ConnectionError):
                writer.close()

    async def end(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(head[0].split(" ")[1], headers, json.loads(content or b"{}"))


class _Answer:
    """The answer to one call."""

    def __init__(
        self, server: FakeOllama, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._call = call
        self._reader = reader
        self._writer = writer
        self._model = str(call.body.get("model", ""))
        self._name = self._model.partition(":")[0]

    async def give(self) -> None:
        """Answer, while looking out for a client that leaves."""
        answering = asyncio.ensure_future(self._give())
        leaving = asyncio.ensure_future(self._reader.read())
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        # Who leaves closes the connection, or resets it where something of ours was still unread there.
        if not answering.done() or isinstance(answering.exception(), ConnectionError):
            self._call.gone.set()
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _give(self) -> None:
        match self._call.path:
            case "/api/version":
                await self._document({"version": "0.33.3"})
            case "/api/tags":
                await self._document({"models": [_summary(name) for name in (MODEL, "ada/poet:3b")]})
            case "/api/show" if self._knows():
                told = {"modified_at": _MODIFIED, "capabilities": ["completion"], "details": {}}
                await self._document(told)
            case "/api/chat" if self._knows():
                await self._chat()
            case "/api/show" | "/api/chat":
                await self._document({"error": f"model '{self._model}' not found"}, 404)
            case _:
                await self._send(404, "text/plain", b"404 page not found")

    def _knows(self) -> bool:
        return self._name in FAULTS or self._model in (MODEL, "tiny", "ada/poet:3b")

    async def _chat(self) -> None:
        if self._name in _REFUSALS:
            status, words = _REFUSALS[self._name]
            await self._document({"error": words}, status)
        elif self._name == "no-chat":
            await self._send(404, "text/plain", b"404 page not found")
        elif self._name == "html":
            await self._send(200, "text/html", b"<html>Welcome!</html>")
        else:
            await self._stream()

    async def _stream(self) -> None:
        if self._name == "silent":
            await asyncio.Event().wait()
        while self._name == "loading" and not self._server.loaded.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        await self._head(200, "application/x-ndjson", "Transfer-Encoding: chunked")
        for number in range(self._words()):
            await self._line({"message": {"role": "assistant", "content": f"w{number} "}, "done": False})
            self._call.said += 1
            if number == 1 and self._name != "endless" and await self._fault():
                return
        reason = "length" if self._call.body.get("options", {}).get("num_predict") else "stop"
        said = "many" if self._name == "odd" else self._words()
        counts = {"prompt_eval_count": 7, "eval_count": said, "total_duration": 12_345}
        await self._line(
            {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason, **counts}
        )
        await self._chunk(b"")

    def _words(self) -> int:
        if self._name == "endless":
            return 10**9
        asked = self._call.prompt.partition("say ")[2].partition(" ")[0]
        wanted = int(asked) if asked.isdecimal() else 3
        most = self._call.body.get("options", {}).get("num_predict", wanted)
        return int(min(wanted, most))

    async def _fault(self) -> bool:
        """Whether it ends here."""
        match self._name:
            case "dying":
                self._writer.transport.abort()
            case "half-line":
                await self._chunk(b'{"message": {"role": "assis')
                await self._chunk(b"")
            case "undone":
                await self._chunk(b"")
            case "error-line":
                await self._line({"error": "an error was encountered while running the model"})
            case "garbage":
                await self._chunk(b"<oops>\n")
            case "stuck":
                await asyncio.Event().wait()
            case _:
                return False
        return True

    async def _line(self, value: Json) -> None:
        named = value if "error" in value else {"model": self._model, "created_at": _MODIFIED, **value}
        await self._chunk(json.dumps(named).encode() + b"\n")
        # As no model is faster than this, and so that nobody starves.
        await asyncio.sleep(0.001)

    async def _chunk(self, content: bytes) -> None:
        self._writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        await self._writer.drain()

    async def _document(self, value: Json, status: int = 200) -> None:
        await self._send(status, "application/json; charset=utf-8", json.dumps(value).encode())

    async def _send(self, status: int, kind: str, content: bytes) -> None:
        await self._head(status, kind, f"Content-Length: {len(content)}")
        self._writer.write(content)
        await self._writer.drain()

    async def _head(self, status: int, kind: str, length: str) -> None:
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
        lines = (first, f"Content-Type: {kind}", length, "Connection: close", "", "")
        self._writer.write("\r\n".join(lines).encode())
        await self._writer.drain()


def _summary(name: str) -> Json:
    return {
        "name": name,
        "model": name,
        "modified_at": _MODIFIED,
        "size": 815_319_791,
        "digest": "8648f39daa8fbf5b18c7b4e6a8fb4990c692751d49917417b8842ca5758e7ffc",
        "details": {
            "format": "gguf",
            "family": "llama",
            "parameter_size": "1B",
            "quantization_level": "Q4_0",
        },
    }


@contextmanager
def fake_ollama(port: int = 0) -> Iterator[FakeOllama]:
    """A running one, on loopback."""
    made, loop, started = FakeOllama(), asyncio.new_event_loop(), threading.Event()
    servers: list[asyncio.Server] = []

    async def start() -> None:
        servers.append(await asyncio.start_server(made.serve, "127.0.0.1", port))
        made.url = f"http://127.0.0.1:{servers[0].sockets[0].getsockname()[1]}"
        started.set()

    async def stop() -> None:
        servers[0].close()
        await made.end()
        await servers[0].wait_closed()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


if __name__ == "__main__":
    # For a look by hand: `python -m tests.support.ollama` answers where Ollama would.
    with fake_ollama(11434):
        threading.Event().wait()
