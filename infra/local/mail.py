"""Every mail that the stack sent, one file each, and the small SMTP server that takes them in.

The functions send through SES as in production; the emulator hands each mail on to this server. A file's name
begins with the time of its arrival, so that names sort as the mails came.
"""

import asyncio
import email
import email.policy
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

SIZE_LIMIT = 10_000_000  # bytes of one mail
IDLE_LIMIT = 60.0  # seconds that a sender may be silent
SUFFIX = ".eml"


@dataclass(frozen=True)
class Mail:
    """A stored mail; `text` and `html` are empty where it has no such part."""

    id: str
    arrived: datetime
    sender: str
    recipients: list[str]
    subject: str
    text: str
    html: str


class Mailbox:
    """The folder of mails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Keep a mail with the addresses of its envelope; returns its id."""
        name = f"{time.time_ns():020d}-{os.urandom(3).hex()}"
        envelope = f"X-Envelope-From: {sender}\r\nX-Envelope-To: {', '.join(recipients)}\r\n"
        draft = self._folder / f".{name}"
        draft.write_bytes(envelope.encode() + content)
        draft.rename(self._folder / f"{name}{SUFFIX}")
        return name

    def newest(self, limit: int) -> list[Mail]:
        """The last mails, the newest first."""
        names = sorted((path.stem for path in self._folder.glob(f"*{SUFFIX}")), reverse=True)[:limit]
        return [mail for name in names if (mail := self.read(name)) is not None]

    def read(self, name: str) -> Mail | None:
        """One mail by its id, or none."""
        if not name.replace("-", "").isalnum():
            return None
        with suppress(FileNotFoundError):
            return _parse(name, (self._folder / f"{name}{SUFFIX}").read_bytes())
        return None

    def newer_than(self, name: str) -> Iterator[Mail]:
        """The mails that came after the one with this id ("" for all), in order."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path.stem > name and (mail := self.read(path.stem)) is not None:
                yield mail


def _parse(name: str, content: bytes) -> Mail:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the default policy makes no other
    return Mail(
        id=name,
        arrived=datetime.fromtimestamp(int(name.partition("-")[0]) / 1e9, tz=UTC),
        sender=str(message.get("From", message["X-Envelope-From"])),
        recipients=[address.strip() for address in str(message["X-Envelope-To"]).split(",")],
        subject=str(message.get("Subject", "")),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, UnicodeError):  # a character set that Python does not know
        return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")


class MailServer:
    """SMTP on loopback, as much of it (RFC 5321) as a sender needs; nothing is relayed anywhere."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on `port`, or on a free one where it is 0."""
        self._server = await asyncio.start_server(self._session, "127.0.0.1", port, limit=SIZE_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop the sessions."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError):
            await _Session(self._mailbox, reader, writer).run()
        writer.close()


class _Session:
    """One connection: the envelope as far as it has been given."""

    def __init__(
        self,
        mailbox: Mailbox,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._writer = writer
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say(220, "lambkin keeps what is sent to it")
        while True:
            line = await asyncio.wait_for(self._reader.readuntil(b"\n"), IDLE_LIMIT)
            verb, _, rest = line.decode(errors="replace").strip().partition(" ")
            if verb.upper() == "QUIT":
                await self._say(221, "bye")
                return
            await self._answer(verb.upper(), rest)

    async def _answer(self, verb: str, rest: str) -> None:
        match verb:
            case "HELO" | "EHLO" | "NOOP":
                await self._say(250, "ok")
            case "RSET":
                self._sender, self._recipients = "", []
                await self._say(250, "ok")
            case "MAIL":
                self._sender, self._recipients = _address(rest), []
                await self._say(250, "ok")
            case "RCPT":
                self._recipients.append(_address(rest))
                await self._say(250, "ok")
            case "DATA" if self._recipients:
                await self._take()
            case "DATA":
                await self._say(503, "name a recipient first")
            case _:
                await self._say(502, "not known here")

    async def _take(self) -> None:
        await self._say(354, "end with a line that holds one dot")
        lines: list[bytes] = []
        size = 0
        while (line := await asyncio.wait_for(self._reader.readuntil(b"\n"), IDLE_LIMIT)) != b".\r\n":
            size += len(line)
            if size <= SIZE_LIMIT:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if size > SIZE_LIMIT:
            await self._say(552, "too large")
            return
        name = self._mailbox.store(self._sender, self._recipients, b"".join(lines))
        self._sender, self._recipients = "", []
        await self._say(250, f"kept as {name}")

    async def _say(self, code: int, text: str) -> None:
        self._writer.write(f"{code} {text}\r\n".encode())
        await self._writer.drain()


def _address(rest: str) -> str:
    """The address in `FROM:<a@b> SIZE=1` or `TO:<a@b>`, without anything that could end a header line."""
    inside = rest.partition("<")[2].partition(">")[0]
    return "".join(character for character in inside if character.isprintable())
