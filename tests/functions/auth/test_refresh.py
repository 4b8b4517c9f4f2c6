import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from common.context import RequestContext, enter_context
from functions.auth.repository import refresh_tokens
from tests.support.world import World


def refresh(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/v1/auth/refresh", json={"refresh_token": token})


def test_each_refresh_gives_another_token(asgi: httpx.Client, world: World) -> None:
    tokens = [world.person().refresh_token]
    for _ in range(3):
        answer = refresh(asgi, tokens[-1])
        assert answer.status_code == 200
        tokens.append(answer.json()["refresh_token"])
    assert len(set(tokens)) == 4


def test_within_the_grace_a_rotated_token_answers_with_its_successor(
    asgi: httpx.Client, world: World
) -> None:
    token = world.person().refresh_token
    first, second = refresh(asgi, token), refresh(asgi, token)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]


def test_reusing_a_refresh_token_revokes_its_family_although_the_answer_is_an_error(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    successor = refresh(asgi, person.refresh_token).json()["refresh_token"]
    world.run(
        "update refresh_tokens set rotated_at = rotated_at - interval '11 s' where rotated_at is not null"
    )
    assert refresh(asgi, person.refresh_token).status_code == 401
    assert refresh(asgi, successor).status_code == 401
    [session] = world.rows("select revoked_reason from sessions where user_id = :id", id=person.id)
    assert session.revoked_reason == "refresh_token_reused"
    assert world.audit(person.id)[-1] == ("session.revoked", "success")


def test_an_expired_token_is_refused(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run(
        "update refresh_tokens set expires_at = now()"
        " from sessions s where s.id = session_id and s.user_id = :id",
        id=person.id,
    )
    assert refresh(asgi, person.refresh_token).status_code == 401


def test_a_disabled_account_cannot_refresh(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run("update users set state = 'disabled' where id = :id", id=person.id)
    assert refresh(asgi, person.refresh_token).status_code == 401


def test_tokens_are_not_readable_in_the_database(asgi: httpx.Client, world: World) -> None:
    token = world.person().refresh_token
    successor = refresh(asgi, token).json()["refresh_token"]
    stored = str(world.rows("select * from refresh_tokens"))
    assert token not in stored
    assert successor not in stored


def test_200_parallel_refreshes_agree_on_one_successor(over_http: httpx.Client, world: World) -> None:
    person = world.person()

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=over_http.base_url, limits=limits, timeout=60) as client:
            calls = (
                client.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
                for _ in range(200)
            )
            return await asyncio.gather(*calls)

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, all_at_once()).result()
    assert Counter(answer.status_code for answer in answers) == {200: 200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    live = "select count(*) from sessions where user_id = :id and revoked_at is null"
    assert world.scalar(live, id=person.id) == 1
    unrotated = """
        select count(*) from refresh_tokens t join sessions s on s.id = t.session_id
        where s.user_id = :id and t.rotated_at is null
    """
    assert world.scalar(unrotated, id=person.id) == 1


def test_a_rotation_does_not_read_the_whole_history_of_its_session(world: World) -> None:
    session_id = world.scalar("select id from sessions where user_id = :id", id=world.person().id)
    enter_context(RequestContext(function="auth", client_address="198.51.100.1"))
    with world.engine.connect() as connection, connection.begin() as undone:
        connection.execute(
            text(
                "insert into refresh_tokens (digest, session_id, expires_at, rotated_at)"
                " select sha256(n::text::bytea), :id, now() + interval '1 day', now()"
                " from generate_series(1, 10000) n"
            ),
            {"id": session_id},
        )
        connection.exec_driver_sql("analyze refresh_tokens")
        sent: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
        refresh_tokens.rotate_refresh_token(Session(connection), b"1" * 32, b"2" * 32, b"sealed")
        [(statement, parameters)] = sent
        plan = "\n".join(connection.exec_driver_sql(f"explain {statement}", parameters).scalars())
        undone.rollback()
    assert "ix_refresh_tokens_successors" in plan
    assert "Seq Scan on refresh_tokens" not in plan
