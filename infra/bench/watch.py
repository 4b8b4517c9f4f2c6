"""An application with `ai` in it, under a watch: these two are the watch's, the rest is its own.

`GET /watch` tells what its process has used so far, `{"statements", "seconds", "bytes"}`: statements sent to
the database, without BEGIN and COMMIT; seconds of a processor; memory that is resident.

`GET /own/{account}` tells, in milliseconds, what a chat asks the database before it asks a model, alone.
"""

import asyncio
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from infra.bench.own_statements import own_statements

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_sent = {"statements": 0}


@event.listens_for(Engine, "before_cursor_execute")
def _count(*_: object) -> None:
    _sent["statements"] += 1


def _resident() -> int:
    if (told := Path("/proc/self/statm")).exists():
        return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # elsewhere its peak, which is what grows


class Watched:
    """The application, and its watch."""

    def __init__(self, app: ASGIApp) -> None:
        """Statements count from the import of this module on."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        match scope["path"].split("/") if scope["type"] == "http" else ():
            case ["", "watch"]:
                told: Any = {**_sent, "seconds": time.process_time(), "bytes": _resident()}
            case ["", "own", account]:
                told = await asyncio.to_thread(own_statements, UUID(account))
            case _:
                await self._app(scope, receive, send)
                return
        body = json.dumps(told).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
