"""A small server that speaks Ollama's published protocol over real sockets, with its faults on command.

What it does is told by the name of the model: `tiny` answers, each name in FAULTS goes wrong in its own way.
A prompt `say N` has it say N words, `echo TEXT` that text, `echo A || B` first A, and B when it is asked
again. With tools, `call NAME {…}` has it call that function. With `think` it thinks first. It counts 7 tokens
in every prompt; `counting JSON` has it tell that of all that it counts. `unhurried` recites `recital`, a
word in PACE seconds, and the last words only once its call may `go_on`, unless they are counted. It remembers
what it was asked, and whose client went away.
"""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from tests.support.ollama_administration import MODIFIED, PATHS, Administered, summary
from tests.support.ollama_schemas import REQUESTS, misfit
from tests.support.ollama_vectors import counted, embedded
from tests.support.waiting import eventually

MODEL: Final = "tiny:1b"
PACE: Final = 0.03
_HELD_BACK: Final = 10
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
    "shapeless": "says what is no message",
    "mute": "sends its headers, and then nothing",
    "flaky": "resets the first connections of each call, and then answers",
    "crowded": "503 at first, its queue is full, and then answers",
    "gone": "502 of a proxy in front, which does not reach it",
}
_KNOWN: Final = {
    "ada/poet:3b": ["completion"],
    MODEL: ["completion", "tools", "vision", "thinking"],
    "tiny": ["completion", "tools", "vision", "thinking"],
    "vectors": ["embedding"],
    "unhurried": ["completion", "thinking"],
    # It says what Postgres does not store.
    "odd-words": ["completion"],
}
_REFUSALS: Final = {
    "crowded": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "crashed": (500, "llama runner process has terminated: exit status 2"),
    "refusing": (400, '"refusing" does not support chat'),
}

_STRANGERS: Final = {
    "no-chat": (404, "text/plain", b"404 page not found"),
    "html": (200, "text/html", b"<html>Welcome!</html>"),
    "gone": (502, "text/html", b"<html>Bad Gateway</html>"),
}

type Json = dict[str, Any]


@dataclass
class Call:
    """One request, and what became of it."""

    path: str
    headers: dict[str, str]
    body: Json
    attempt: int = 1
    said: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def prompt(self) -> str:
        """The last thing that was said to it."""
        messages = self.body.get("messages") or [{"content": str(self.body.get("input", ""))}]
        return str(messages[-1]["content"])

    @property
    def first_prompt(self) -> str:
        """What was said to it before it was asked again."""
        said = [each["content"] for each in self.body.get("messages", ()) if each["role"] == "user"]
        return str(said[0]) if said else ""


class FakeOllama:
    """What it was asked, and what lets `loading` models go on."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.loaded = threading.Event()
        self.recital = ""
        self.administered = Administered()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def models(self) -> list[str]:
        """Those that it lists."""
        return ["ada/poet:3b", MODEL, "vectors", *sorted(self.administered.pulled)]

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
                if wrong := misfit(REQUESTS.get(call.path, ""), call.body):
                    raise AssertionError(f"{call.path} is asked what Ollama does not take: {wrong}")
                call.attempt += sum(call.body == other.body for other in self.calls)
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
        self._model = str(call.body.get("model", "")).removesuffix(":latest")
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
                await self._document({"models": [summary(name) for name in self._server.models]})
            case "/api/show" if self._knows():
                able = _KNOWN.get(self._model, ["completion"])
                await self._document({"modified_at": MODIFIED, "capabilities": able, "details": {}})
            case "/api/chat" if self._knows() and not await self._was_refused():
                await self._stream()
            case "/api/embed" if self._knows() and not await self._was_refused():
                await self._document(embedded(self._call.body))
            case "/api/show" | "/api/chat" | "/api/embed" if not self._knows():
                await self._document({"error": f"model '{self._model}' not found"}, 404)
            case "/api/chat" | "/api/embed":
                pass
            case "/api/pull":
                await self._head(200, "application/x-ndjson", "Transfer-Encoding: chunked")
                await self._server.administered.pull(self._model, self._pulled)
                await self._chunk(b"")
            case path if path in PATHS:
                told = self._server.administered
                await told.tell(path, self._call.body, self._document, is_known=self._knows())
            case _:
                await self._send(404, "text/plain", b"404 page not found")

    def _knows(self) -> bool:
        return self._name in FAULTS or self._model in _KNOWN

    async def _was_refused(self) -> bool:
        name, is_first = self._name, self._call.attempt < 3
        if name in _REFUSALS and (name != "crowded" or is_first):
            status, words = _REFUSALS[name]
            await self._document({"error": words}, status)
        elif name == "flaky" and is_first:
            self._writer.transport.abort()
        elif name in _STRANGERS:
            await self._send(*_STRANGERS[name])
        elif name == "silent":
            await asyncio.Event().wait()
        elif words := self._inability():
            await self._document({"error": f'"{self._model}" does not support {words}'}, 400)
        else:
            return False
        return True

    def _inability(self) -> str:
        able, body = _KNOWN.get(self._model, _KNOWN["tiny"]), self._call.body
        wanted = {
            "chat": ("completion", "messages" in body),
            "tools": ("tools", bool(body.get("tools"))),
            "thinking": ("thinking", bool(body.get("think"))),
            "vision": ("vision", any(each.get("images") for each in body.get("messages", ()))),
            "embeddings": ("embedding", "input" in body and self._model != "tiny"),
        }
        return next(
            (name for name, (need, is_wanted) in wanted.items() if is_wanted and need not in able), ""
        )

    async def _stream(self) -> None:
        while self._name == "loading" and not self._server.loaded.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        await self._head(200, "application/x-ndjson", "Transfer-Encoding: chunked")
        if self._name == "mute":
            await asyncio.Event().wait()
        if self._call.body.get("think"):
            for thought in ("Hm", "."):
                await self._say(thinking=thought, content="")
        most = self._call.body.get("options", {}).get("num_predict")
        for number, word in enumerate(islice(self._said(), most)):
            await self._say(**word)
            if self._name == "unhurried":
                await self._take_time()
            if number == 1 and self._name != "endless" and await self._fault():
                return
        reason = "length" if self._call.said == most else "stop"
        counts = counted(self._call.prompt, self._call.said)
        await self._line(
            {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason, **counts}
        )
        await self._chunk(b"")

    async def _say(self, **message: Any) -> None:
        await self._line({"message": {"role": "assistant", **message}, "done": False})
        if "thinking" not in message:
            self._call.said += 1

    def _said(self) -> Iterator[Json]:
        """What it says, a line each: calls of its functions, an echo, or words."""
        prompt, body = self._call.first_prompt, self._call.body
        is_again = len([each for each in body["messages"] if each["role"] == "user"]) > 1
        if self._name == "unhurried":
            yield from ({"content": word} for word in self._recital())
        elif "echo " in prompt:
            first, _, then = prompt.partition("echo ")[2].partition(" || ")
            text = then if then and is_again else first
            yield from ({"content": text[at : at + 8]} for at in range(0, len(text), 8))
        elif called := re.findall(r"call (\w+) (\{.*?\})", prompt) if body.get("tools") else []:
            last_message = body["messages"][-1]
            if last_message["role"] == "tool":
                yield {"content": f"{last_message['tool_name']} gave {last_message['content']}"}
                return
            # It calls what it is asked for, and not what it has: as models do.
            for number, (name, arguments) in enumerate(called[-1:] if is_again else called):
                made = {"index": number, "name": name, "arguments": json.loads(arguments)}
                yield {"content": "", "tool_calls": [{"function": made}]}
        else:
            odd = "\x00\ud800\\" if self._name == "odd-words" else ""
            yield from ({"content": f"w{number}{odd} "} for number in range(self._words()))

    def _recital(self) -> list[str]:
        return re.findall(r"\S+\s*", self._server.recital)

    async def _take_time(self) -> None:
        await asyncio.sleep(PACE)
        held_back = len(self._recital()) - self._call.said <= _HELD_BACK
        is_counted = "num_predict" in self._call.body.get("options", {})
        while held_back and not is_counted and not self._call.go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)

    def _words(self) -> int:
        if self._name == "endless":
            return 10**9
        asked = self._call.prompt.partition("say ")[2].partition(" ")[0]
        return int(asked) if asked.isdecimal() else 3

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
                await self._line({"error": f"error parsing tool call: raw='{self._call.prompt}'"})
            case "shapeless":
                await self._line({"message": ["no message"], "done": False})
            case "garbage":
                await self._chunk(b"<oops>\n")
            case "stuck":
                await asyncio.Event().wait()
            case _:
                return False
        return True

    async def _pulled(self, value: Json) -> None:
        await self._chunk(json.dumps(value).encode() + b"\n")

    async def _line(self, value: Json) -> None:
        named = value if "error" in value else {"model": self._model, "created_at": MODIFIED, **value}
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
