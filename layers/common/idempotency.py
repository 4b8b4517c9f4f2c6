"""Creating requests that are safe to repeat: the `Idempotency-Key` header.

An operation takes part with `dependencies=[Idempotent]`. The first request with a key claims it in a short
transaction; its answer is stored in the transaction that does the work, so that either both are there or
neither. A repetition within 24 hours gets the stored answer; while the first is in flight it gets 409, with
another request under the same key 422. A failure frees the key.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from starlette.responses import Response

from common.context import IdempotentRequest, current_context
from common.database.transactions import Database
from common.encryption import keyed_digest, seal, unseal
from common.errors import Conflict, InvalidInput
from common.models import IdempotencyKey

LIFETIME: Final = timedelta(hours=24)
IN_FLIGHT: Final = timedelta(seconds=60)
_CONTEXT: Final = "idempotency-answer"
_BOUNDARY: Final = re.compile(r"^multipart/.*\bboundary=\"?([^\";,]{1,70})", re.IGNORECASE)


class InFlight(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_flight"
    detail = "A request with this Idempotency-Key is being worked on: wait for its answer, then repeat."


class KeyReused(InvalidInput):
    """The key came with another request before."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key came with another request before: use a new one."


async def _remember(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A random key of the client's: the same key repeats the answer, not the work (24 h).",
            examples=["5b1a8f4e-4bb0-4d0c-9d0f-0c8f6a8f7a52"],
        ),
    ] = None,
) -> None:
    if idempotency_key is not None:
        # Keyed, as the body may hold a password: a plain digest of it could be guessed at offline.
        body = _without_boundary(await request.body(), request.headers.get("content-type", ""))
        parts = (idempotency_key, request.method, request.url.path, request.url.query, body)
        fingerprint = keyed_digest("idempotency-fingerprint", *parts)
        current_context().idempotency = IdempotentRequest(idempotency_key, fingerprint)


def _without_boundary(body: bytes, content_type: str) -> bytes:
    # A client that sends a form again draws another boundary (RFC 2046, section 5.1.1).
    found = _BOUNDARY.search(content_type)
    return body.replace(b"--" + found[1].encode("latin-1"), b"--") if found else body


_remember.problems = (InFlight, KeyReused)  # type: ignore[attr-defined]  # common.openapi reads it
Idempotent = Depends(_remember)
"""`dependencies=[Idempotent]` on every creating POST but the token endpoints."""


async def answer_once[T](
    database: Database, work: Callable[[Session], T], before: Callable[[], Awaitable[None]] | None = None
) -> T:
    """Do `before` and run `work`, unless this request was answered already: then give the stored Response."""
    context = current_context()
    request = context.idempotency
    if request is None:
        raise RuntimeError("this request has no Idempotency-Key")
    # The actor is known by now: authentication ran before the endpoint.
    actor = str(context.user_id or context.client_address)
    request.digest = keyed_digest("idempotency", actor, context.method, context.path, request.key)
    stored = await database.run(lambda session: _claim(session, request))
    if stored is not None:
        return stored  # type: ignore[return-value]  # FastAPI sends a Response as it is

    def work_and_store(session: Session) -> T:
        result = work(session)
        _store(session, request, result)
        return result

    try:
        if before is not None:
            await before()
        return await database.run(work_and_store)
    except Exception:
        await database.run(lambda session: _release(session, request))
        raise


def _claim(session: Session, request: IdempotentRequest) -> Response | None:
    """Claim the key, or give the stored answer. Raises InFlight, KeyReused."""
    claim = insert(IdempotencyKey).values(
        digest=request.digest,
        fingerprint=request.fingerprint,
        locked_until=func.now() + IN_FLIGHT,
        expires_at=func.now() + LIFETIME,
    )
    # A claim whose process died, or whose day has passed, is taken over.
    abandoned = IdempotencyKey.status.is_(None) & (IdempotencyKey.locked_until < func.now())
    claim = claim.on_conflict_do_update(
        index_elements=["digest"],
        set_={
            name: claim.excluded[name] for name in ("fingerprint", "locked_until", "expires_at")
        } | {"status": None, "answer": None, "created_at": func.now()},
        where=or_(abandoned, IdempotencyKey.expires_at < func.now()),
    )  # fmt: skip
    if session.execute(claim.returning(IdempotencyKey.digest)).first():
        return None
    row = session.execute(
        select(IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.answer).where(
            IdempotencyKey.digest == request.digest
        )
    ).first()
    if row is not None and row.fingerprint != request.fingerprint:
        raise KeyReused
    if row is None or row.status is None:
        raise InFlight(retry_after=1)
    return _replay(request, row.status, row.answer)


def _secret(request: IdempotentRequest) -> bytes:
    # From the header and the server's secret: neither the database nor the key alone opens the answer.
    return keyed_digest(_CONTEXT, request.key)


def _replay(request: IdempotentRequest, status: int, answer: bytes) -> Response:
    stored: dict[str, Any] = json.loads(unseal(answer, _secret(request), _CONTEXT))
    headers = stored["headers"] | {"Idempotency-Replayed": "true"}
    return Response(stored["body"], status, headers, media_type=stored["media_type"])


def _store(session: Session, request: IdempotentRequest, result: object) -> None:
    context = current_context()
    if not isinstance(result, BaseModel | None):
        raise TypeError("the answer of an operation with an Idempotency-Key is a model, or nothing")
    # What is left of a limit is of this moment, and no part of the answer.
    kept = {name: value for name, value in context.response_headers.items() if "RateLimit" not in name}
    answer = {
        "body": result.model_dump_json(by_alias=True) if result else "",
        "media_type": "application/json" if result else None,
        "headers": kept,
    }
    mine = (
        update(IdempotencyKey)
        .where(IdempotencyKey.digest == request.digest, IdempotencyKey.fingerprint == request.fingerprint)
        .where(IdempotencyKey.status.is_(None))
        .values(
            status=context.success_status,
            answer=seal(json.dumps(answer).encode(), _secret(request), _CONTEXT),
            expires_at=func.now() + LIFETIME,
        )
    )
    if not session.execute(mine.returning(IdempotencyKey.digest)).first():
        # Slower than IN_FLIGHT, and another took the claim over: that one's work counts, this one rolls back.
        raise InFlight(retry_after=1)


def _release(session: Session, request: IdempotentRequest) -> None:
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.digest == request.digest,
            IdempotencyKey.fingerprint == request.fingerprint,
            IdempotencyKey.status.is_(None),
        )
    )
