"""One request, one transaction: committed before the answer, or not at all."""

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text

from common.access import CurrentUser
from common.app import App, create_app
from common.database import Db, Reading, dispose_engines, get_database, get_engine
from common.database.engine import build_engine
from common.database.roles import function_url
from common.database.transactions import after_commit
from common.errors import AppError, Conflict
from common.routing import Router
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport, uvicorn_server
from tests.support.world import World

router = Router(prefix="/v1/users", tags=["users"])


class Kept(AppError):
    """A refusal whose writes stay."""

    status = 409
    code = "kept"
    keep = True


def _add(db: Db, key: str) -> None:
    db.execute(
        text("insert into audit_log (id, action, outcome, client_address, user_agent, request_id)"
             " values (gen_random_uuid(), :key, 'success', '', '', '')"),
        {"key": key},
    )  # fmt: skip


@router.post("/fails-at-commit")
def fails_at_commit(db: Db, key: str) -> dict[str, str]:
    _add(db, key)
    # A deferred constraint is looked at when the transaction commits, and not before.
    db.execute(text("insert into deferred_check values (1), (1)"))
    return {"state": "done"}


@router.post("/refused")
def refused(db: Db, key: str, *, keep: bool) -> None:
    _add(db, key)
    raise Kept if keep else Conflict


@router.post("/breaks")
def breaks(db: Db, key: str) -> None:
    _add(db, key)
    raise RuntimeError("a fault of ours")


@router.get("/backend")
def backend(db: Db) -> dict[str, int]:
    return {"pid": db.scalar(text("select pg_backend_pid()")) or 0}


@router.get("/slow")
def slow(db: Db) -> dict[str, str]:
    db.execute(text("select pg_sleep(0.05)"))
    return {"state": "done"}


@router.get("/forever")
def forever(db: Db) -> None:
    db.execute(text("select pg_sleep(60)"))


@router.get("/whoami")
def whoami(db: Db, user: CurrentUser) -> dict[str, str]:
    return {"id": str(user.user_id), "role": str(db.scalar(text("select current_user")))}


@router.get("/read")
def read(db: Reading) -> dict[str, int]:
    return {"pid": db.scalar(text("select pg_backend_pid()")) or 0}


@router.get("/read-and-write")
def read_and_write(db: Reading) -> None:
    db.execute(text("delete from audit_log"))


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[App]:
    world.run("create table if not exists deferred_check (n int unique deferrable initially deferred)")
    world.run("grant insert on deferred_check to lambkin_users")
    yield create_app("users", summary="Tests.", router=router)
    world.run("drop table deferred_check")


@pytest.fixture
def api(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client:
        yield client


def entries(world: World, key: str) -> int:
    return int(world.scalar("select count(*) from audit_log where action = :key", key=key))


def kill(pid: int) -> None:
    """End a connection of the function from outside, as a restart of Postgres would."""
    engine = build_engine(function_url("users"), "tests", pool_size=1)
    with engine.connect() as connection:
        assert connection.scalar(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    engine.dispose()


def test_a_failing_commit_is_never_a_2xx(api: httpx.Client, world: World) -> None:
    answer = api.post("/v1/users/fails-at-commit", params={"key": "fails-at-commit"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert entries(world, "fails-at-commit") == 0


@pytest.mark.parametrize(("keep", "kept"), [(True, 1), (False, 0)])
def test_a_refusal_keeps_its_writes_only_if_it_says_so(
    api: httpx.Client, world: World, *, keep: bool, kept: int
) -> None:
    key = f"refused-{keep}"
    assert api.post("/v1/users/refused", params={"key": key, "keep": keep}).status_code == 409
    assert entries(world, key) == kept


def test_a_fault_of_ours_is_a_500_problem_that_tells_nothing_and_writes_nothing(
    api: httpx.Client, world: World
) -> None:
    answer = api.post("/v1/users/breaks", params={"key": "breaks"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "a fault of ours" not in answer.text
    assert entries(world, "breaks") == 0


def test_each_function_connects_as_its_own_role(api: httpx.Client, world: World) -> None:
    person = world.person()
    assert api.get("/v1/users/whoami", headers=person.headers).json() == {
        "id": str(person.id),
        "role": "lambkin_users",
    }


def test_a_connection_that_was_killed_never_reaches_a_request(api: httpx.Client) -> None:
    for _ in range(3):
        pid = api.get("/v1/users/backend").json()["pid"]
        kill(pid)
        assert api.get("/v1/users/backend").status_code == 200


def test_100_at_once_on_a_pool_of_5_all_get_through(app: App) -> None:
    async def all_at_once(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
            answers = await asyncio.gather(*(client.get("/v1/users/slow") for _ in range(100)))
            return [answer.status_code for answer in answers]

    with uvicorn_server(app) as url, ThreadPoolExecutor(1) as pool:
        assert Counter(pool.submit(asyncio.run, all_at_once(url)).result()) == {200: 100}


def test_who_waits_too_long_for_a_place_gets_503(app: App, settings: SettingsChange) -> None:
    settings(DATABASE_WAIT_SECONDS="0.01")
    with (
        httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client,
        ThreadPoolExecutor(20) as pool,
    ):
        answers = list(pool.map(lambda _: client.get("/v1/users/slow"), range(20)))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+pg8000://lambkin_users:x@127.0.0.1:1/none",
        "postgresql+psycopg://lambkin_users:x@127.0.0.1:1/none",
    ],
)
def test_a_database_that_is_down_is_a_503_with_retry_after(
    api: httpx.Client, settings: SettingsChange, url: str
) -> None:
    dispose_engines()
    settings(DATABASE_URL=url)
    try:
        answer = api.get("/v1/users/backend")
    finally:
        dispose_engines()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]


def test_a_statement_over_its_time_is_a_503(api: httpx.Client, settings: SettingsChange) -> None:
    dispose_engines()
    settings(DATABASE_STATEMENT_SECONDS="0.1")
    try:
        assert api.get("/v1/users/forever").status_code == 503
    finally:
        dispose_engines()


def test_psycopg_serves_the_same(
    api: httpx.Client, settings: SettingsChange, database_url: str, world: World
) -> None:
    person = world.person()
    dispose_engines()
    settings(DATABASE_URL=database_url.replace("+pg8000", "+psycopg"))
    try:
        assert api.get("/v1/users/whoami", headers=person.headers).json()["role"] == "lambkin_users"
        assert api.post("/v1/users/fails-at-commit", params={"key": "psycopg"}).status_code == 409
        pid = api.get("/v1/users/backend").json()["pid"]
        kill(pid)
        assert api.get("/v1/users/backend").status_code == 200
    finally:
        dispose_engines()


def test_transactions_that_deadlock_are_repeated_and_both_go_through(world: World) -> None:
    first, second = world.account().id, world.account().id
    both_hold_one = threading.Barrier(2)
    tries: Counter[str] = Counter()

    def lock(name: str, order: list[object]) -> None:
        def work(session: Db) -> None:
            tries[name] += 1
            for step, user_id in enumerate(order):
                session.execute(text("update users set name = name where id = :id"), {"id": user_id})
                if step == 0 and tries[name] == 1:
                    both_hold_one.wait(20)

        get_database("users").transaction(work)

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(lock, "a", [first, second]), pool.submit(lock, "b", [second, first])]
        for call in calls:
            call.result(60)
    assert tries.total() == 3


def test_what_follows_a_commit_happens_only_after_one() -> None:
    done: list[str] = []

    def commits(session: Db) -> None:
        after_commit(session, lambda: done.append("committed"))

    def refuses(session: Db) -> None:
        after_commit(session, lambda: done.append("refused"))
        raise Conflict

    get_database("users").transaction(commits)
    with pytest.raises(Conflict):
        get_database("users").transaction(refuses)
    assert done == ["committed"]


def test_importing_a_function_connects_to_nothing_and_a_request_holds_one_connection(
    api: httpx.Client,
) -> None:
    api.get("/v1/users/backend")
    assert get_engine("users").pool.checkedout() == 0  # type: ignore[attr-defined]  # QueuePool has it


def test_a_caller_that_is_cancelled_gives_its_place_back(world: World) -> None:
    database = get_database("users")

    async def cancel_and_go_on() -> None:
        for _ in range(database.size * 2):
            call = asyncio.create_task(
                database.run(lambda session: session.execute(text("select pg_sleep(0.05)")).all())
            )
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await asyncio.gather(
            *(
                database.run(lambda session: session.scalar(text("select 1")))
                for _ in range(database.size * 2)
            )
        )

    asyncio.run(cancel_and_go_on())


def test_a_client_that_leaves_in_mid_request_is_no_fault_of_ours(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    with uvicorn_server(app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST /v1/users/breaks?key=x HTTP/1.1\r\nHost: b\r\nContent-Length: 100\r\n\r\nhalf"
            )
        with httpx.Client(base_url=url) as next_client:
            assert next_client.get("/v1/users/livez").status_code == 200
    statuses = {
        line["status"] for line in map(json.loads, capsys.readouterr().out.splitlines()) if "status" in line
    }
    assert max(statuses) < 500


def test_a_reading_leaves_the_connection_to_transactions_as_it_was(api: httpx.Client, world: World) -> None:
    key = "after-a-reading"
    for _ in range(3):
        assert api.get("/v1/users/read").json()["pid"] > 0
        assert api.post("/v1/users/refused", params={"key": key, "keep": False}).status_code == 409
    assert entries(world, key) == 0


def test_a_reading_that_writes_is_refused(api: httpx.Client, world: World) -> None:
    before = world.scalar("select count(*) from audit_log")
    assert api.get("/v1/users/read-and-write").status_code == 500
    assert world.scalar("select count(*) from audit_log") >= before
    assert api.get("/v1/users/read").status_code == 200


def test_a_reading_on_a_connection_that_was_killed_is_repeated(api: httpx.Client) -> None:
    for _ in range(3):
        kill(api.get("/v1/users/read").json()["pid"])
        assert api.get("/v1/users/read").status_code == 200


@pytest.mark.parametrize("path", ["/v1/users/read", "/v1/users/backend"])
def test_a_database_that_accepts_and_is_silent_is_a_503_and_is_not_asked_again(
    api: httpx.Client, settings: SettingsChange, path: str
) -> None:
    dispose_engines()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings(
            DATABASE_URL=f"postgresql+pg8000://lambkin_users:x@127.0.0.1:{port}/x",
            DATABASE_CONNECT_SECONDS="0.2",
        )
        try:
            answer = api.get(path)
        finally:
            dispose_engines()
        silent.settimeout(0.0)
        connections = [silent.accept()[0]]
        with pytest.raises(BlockingIOError):
            silent.accept()
        connections[0].close()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
