"""A creating request with an `Idempotency-Key` is made once, whatever happens."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from sqlalchemy import insert

from common.access import CurrentUser
from common.app import create_app
from common.database import Db
from common.errors import Conflict
from common.idempotency import Idempotent
from common.ids import new_id
from common.models import AuditEntry
from common.routing import Router
from common.schemas import Message
from tests.support.transports import AsgiTransport
from tests.support.world import World

router = Router(prefix="/v1/users", tags=["users"])
gate = Event()
entered = Event()


def _create(db: Db, name: str) -> Message:
    values = {"id": new_id(), "action": name, "outcome": "success", "client_address": "", "user_agent": ""}
    db.execute(insert(AuditEntry).values(**values, request_id=""))
    return Message(message=f"made {name} {values['id']}")


@router.post("/things", status_code=201, dependencies=[Idempotent])
def create(db: Db, user: CurrentUser, name: str) -> Message:
    return _create(db, name)


@router.post("/slow-things", status_code=201, dependencies=[Idempotent])
def create_slowly(db: Db, user: CurrentUser, name: str) -> Message:
    entered.set()
    gate.wait(30)
    return _create(db, name)


@router.post("/broken-things", status_code=201, dependencies=[Idempotent])
def create_or_fail(db: Db, user: CurrentUser, name: str) -> Message:
    if not gate.is_set():
        raise Conflict
    return _create(db, name)


@pytest.fixture
def api(world: World) -> Iterator[httpx.Client]:
    gate.clear()
    entered.clear()
    app = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client:
        yield client


def post(
    api: httpx.Client, headers: dict[str, str], name: str, key: str, path: str = "things"
) -> httpx.Response:
    return api.post(f"/v1/users/{path}", params={"name": name}, headers=headers | {"Idempotency-Key": key})


def made(world: World, name: str) -> int:
    return int(world.scalar("select count(*) from audit_log where action = :name", name=name))


def test_a_repetition_gets_the_same_answer_and_does_nothing(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    first, second = (post(api, headers, name, f"k-{name}") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert made(world, name) == 1


def test_twenty_at_the_same_moment_make_one_row(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(api, headers, name, f"k-{name}"), range(20)))
    codes = Counter(answer.status_code for answer in answers)
    assert codes.keys() <= {201, 409}
    assert codes[201] >= 1
    assert made(world, name) == 1


def test_while_the_first_is_in_flight_the_second_gets_409(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, api, headers, name, f"k-{name}", "slow-things")
        assert entered.wait(30)
        second = post(api, headers, name, f"k-{name}", "slow-things")
        gate.set()
        assert first.result(30).status_code == 201
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert second.headers["retry-after"] == "1"


def test_another_request_under_the_same_key_is_422(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    post(api, headers, name, f"k-{name}")
    other = post(api, headers, "another", f"k-{name}")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_belongs_to_its_actor(api: httpx.Client, world: World) -> None:
    name = str(new_id())
    for _ in range(2):
        assert post(api, world.person().headers, name, f"k-{name}").status_code == 201
    assert made(world, name) == 2


def test_a_failure_frees_the_key(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    assert post(api, headers, name, f"k-{name}", "broken-things").status_code == 409
    gate.set()
    assert post(api, headers, name, f"k-{name}", "broken-things").status_code == 201


def test_a_claim_whose_process_died_is_taken_over(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    post(api, headers, name, f"k-{name}")
    world.run(
        "update idempotency_keys set status = null, answer = null, locked_until = now() - interval '1 s'"
    )
    assert post(api, headers, name, f"k-{name}").status_code == 201
    assert made(world, name) == 2


def test_the_stored_answer_is_not_readable(api: httpx.Client, world: World) -> None:
    headers, name = world.person().headers, str(new_id())
    answer = post(api, headers, name, f"k-{name}").json()["message"]
    stored = b"".join(bytes(row.answer or b"") for row in world.rows("select answer from idempotency_keys"))
    assert answer.encode() not in stored
    assert f"k-{name}".encode() not in stored


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut".encode()])
def test_a_malformed_key_is_422(api: httpx.Client, world: World, key: str | bytes) -> None:
    headers = world.person().headers | {"Idempotency-Key": key}
    assert api.post("/v1/users/things", params={"name": "x"}, headers=headers).status_code == 422  # type: ignore[arg-type]  # bytes are what a client can send


def test_two_registrations_with_one_key_send_one_mail(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    body = {"email": email, "password": "a good password"}
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(asgi.post, "/v1/auth/register", json=body, headers={"Idempotency-Key": f"k-{email}"})
            for _ in range(2)
        ]
        assert {call.result(30).status_code for call in calls} <= {202, 409}
    assert (
        asgi.post("/v1/auth/register", json=body, headers={"Idempotency-Key": f"k-{email}"}).status_code
        == 202
    )
    assert len(world.mails(email)) == 1
