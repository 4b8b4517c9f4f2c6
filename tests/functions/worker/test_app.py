import asyncio
from typing import Any

from common.database.transactions import Database
from functions.worker.app import app


async def _get(path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [],
        "query_string": b"",
        "client": None,
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_the_worker_is_alive(owner: Database) -> None:
    assert owner.function == ""
    assert asyncio.run(_get("/v1/worker/livez"))[0] == 200


def test_the_worker_without_mail_is_ready_but_degraded(owner: Database) -> None:
    assert owner.function == ""
    status, body = asyncio.run(_get("/v1/worker/readyz"))
    assert status == 200
    assert b'"degraded"' in body or b'"ok"' in body
