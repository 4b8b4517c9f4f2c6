"""Keys are verified by every function alike, at the price that was promised."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from sqlalchemy import text

from common import api_keys
from common.access import CurrentUser, LiveUser, Principal, RecentUser, requires
from common.api_keys import PATTERN, key_digest, new_key
from common.app import App, create_app
from common.ids import new_id
from common.models.base import now
from common.routing import Router
from tests.support.api_keys import Key, OtherProcess, mint, other_process
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport
from tests.support.world import World

# `health` serves nobody who signs in.
SERVING = ("auth", "users", "worker")

type Statements = Callable[[], int]


def _answer(user: Principal) -> dict[str, Any]:
    return {"user_id": user.user_id, "permissions": sorted(user.permissions)}


def app_of(function: str) -> App:
    """Operations with every kind of demand, served with the database role of `function`."""
    router = Router(prefix=f"/v1/{function}", tags=[function])

    @router.get("/files")
    async def files(user: Annotated[Principal, requires("files:read")]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/profile")
    async def profile(user: Annotated[Principal, requires("profile:read")]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/live")
    async def live(user: Annotated[Principal, requires("users:read", live=True)]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/recent")
    async def recent(user: Annotated[Principal, requires("users:read", recent=True)]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/session")
    async def session(user: CurrentUser) -> dict[str, Any]:
        return _answer(user)

    @router.get("/live-session")
    async def live_session(user: LiveUser) -> dict[str, Any]:
        return _answer(user)

    @router.get("/recent-session")
    async def recent_session(user: RecentUser) -> dict[str, Any]:
        return _answer(user)

    return create_app(function, summary="Tests.", router=router)


def client_of(function: str = "users", peer: str = "203.0.113.7") -> httpx.Client:
    return httpx.Client(
        transport=AsgiTransport(app_of(function), peer=peer), base_url=f"http://backend:8000/v1/{function}"
    )


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[httpx.Client]:
    with client_of() as client:
        # A first connection takes statements of its own.
        client.get("/files", headers={"Authorization": f"Bearer {new_key(new_id())}"})
        yield client


@pytest.fixture(scope="module")
def other(world: World) -> Iterator[OtherProcess]:
    with other_process() as process:
        yield process


@pytest.fixture
def statements(capsys: pytest.CaptureFixture[str]) -> Statements:
    """How many statements the last request took."""

    def count() -> int:
        return int(json.loads(capsys.readouterr().out.splitlines()[-1])["statements"])

    return count


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of the memory, and nothing else."""

    def move(seconds: float) -> None:
        monkeypatch.setattr(api_keys, "_clock", lambda: time.monotonic() + seconds)

    return move


@pytest.mark.parametrize("function", SERVING)
def test_every_function_takes_a_key_with_its_own_database_role(function: str, world: World) -> None:
    user = world.account(roles=["admin"])
    key = mint(world, user.id, "files:read", "users:read", requests_per_minute=5)
    with client_of(function) as client:
        answer = client.get("/files", headers=key.headers)
        assert (answer.status_code, answer.json()["user_id"]) == (200, str(user.id))
        assert client.get("/live", headers=key.headers).status_code == 200
    assert world.scalar(
        "select last_used_at > now() - interval '10 s' from api_keys where id = :id", id=key.id
    )


@pytest.mark.parametrize("function", SERVING)
def test_every_function_counts_a_keys_own_limit(function: str, world: World, limits_on: None) -> None:
    key = mint(world, world.account().id, "files:read", requests_per_minute=2)
    with client_of(function) as client:
        assert [client.get("/files", headers=key.headers).status_code for _ in range(3)] == [200, 200, 429]


class TestPermissions:
    """What a key may do."""

    def test_are_those_of_its_scopes_that_its_owner_has(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", "users:read", "no:longer")
        assert api.get("/files", headers=key.headers).json()["permissions"] == ["files:read"]

    def test_of_an_own_made_role_count(self, api: httpx.Client, world: World) -> None:
        role = new_id().hex[-12:]
        world.run("insert into roles (name, permissions) values (:role, '{users:read,no:longer}')", role=role)
        key = mint(world, world.account(roles=[role]).id, "users:read", "files:read")
        assert api.get("/live", headers=key.headers).json()["permissions"] == ["users:read"]

    def test_a_scope_that_is_missing_is_told(self, api: httpx.Client, world: World) -> None:
        answer = api.get("/files", headers=mint(world, world.account().id, "profile:read").headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert 'scope="files:read"' in answer.headers["www-authenticate"]

    def test_a_role_that_was_lost_counts_at_once_where_that_is_demanded(
        self, api: httpx.Client, world: World
    ) -> None:
        user = world.account(roles=["admin"])
        key = mint(world, user.id, "users:read")
        assert api.get("/live", headers=key.headers).status_code == 200
        world.run("update users set roles = '{member}' where id = :id", id=user.id)
        assert api.get("/live", headers=key.headers).status_code == 403

    def test_a_role_that_was_lost_counts_elsewhere_when_the_memory_ends(
        self, api: httpx.Client, world: World, later: Callable[[float], None]
    ) -> None:
        user = world.account()
        key = mint(world, user.id, "files:read")
        assert api.get("/files", headers=key.headers).status_code == 200
        world.run("update users set roles = '{}' where id = :id", id=user.id)
        later(10.1)
        assert api.get("/files", headers=key.headers).status_code == 403


@pytest.mark.parametrize("path", ["/session", "/live-session", "/recent-session", "/recent"])
def test_where_a_session_is_needed_no_key_will_do_and_none_is_looked_up(
    api: httpx.Client, world: World, path: str, statements: Statements
) -> None:
    key = mint(world, world.account(roles=["admin"]).id, "users:read")
    answer = api.get(path, headers=key.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")
    assert statements() == 0
    unknown = api.get(path, headers={"Authorization": f"Bearer {new_key(new_id())}"})
    assert unknown.json()["code"] == "session_required"
    broken = api.get(path, headers={"Authorization": f"Bearer {key.key[:-1]}"})
    assert (broken.status_code, broken.json()["code"]) == (401, "invalid_token")


class TestCost:
    """Statements a request takes for its key."""

    def test_of_the_first_use_is_a_select_and_a_note(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        assert statements() == 2

    def test_of_a_remembered_key_is_nothing(
        self, api: httpx.Client, world: World, statements: Statements, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        later(9)
        assert api.get("/files", headers=key.headers).status_code == 200
        assert statements() == 0

    def test_within_a_minute_of_a_noted_use_is_a_select(
        self, api: httpx.Client, world: World, statements: Statements, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        later(10.1)
        api.get("/files", headers=key.headers)
        assert statements() == 1

    def test_of_an_own_limit_is_one_more(
        self, api: httpx.Client, world: World, statements: Statements, limits_on: None
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=10)
        api.get("/files", headers=key.headers)
        assert statements() == 3
        api.get("/files", headers=key.headers)
        assert statements() == 1

    def test_of_an_unknown_id_is_that_of_a_wrong_secret(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        for wrong in (new_key(new_id()), new_key(key.id)):
            answer = api.get("/files", headers={"Authorization": f"Bearer {wrong}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            assert statements() == 1

    @pytest.mark.parametrize(
        "credential",
        [
            b"lk_",
            b"lk_\xb2\xb3\xb9",
            b"lk_" + b"0" * 72,
            b"lk_" + b"\xa0" * 72,
            b"lk_" + b"0" * 22 + b"_" + b"0" * 49,
            b"lk_" + b"0" * 1_000_000,
            b"lk_\x00",
            b"lk_ lk_",
            "lk_٣٣٣".encode(),
        ],
    )
    def test_of_what_is_no_key_is_nothing(
        self, api: httpx.Client, statements: Statements, credential: bytes
    ) -> None:
        answer = api.get("/files", headers={b"authorization": b"Bearer " + credential})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert statements() == 0


@pytest.mark.parametrize("around", [b"\xa0", b"\x85", b"\t", b"\x1c", b"\x00"])
def test_a_key_with_anything_around_it_is_no_key(api: httpx.Client, world: World, around: bytes) -> None:
    key = mint(world, world.account().id, "files:read").key.encode()
    for credential in (key + around, around + key):
        assert api.get("/files", headers={b"authorization": b"Bearer " + credential}).status_code == 401


def test_two_keys_in_one_request_are_none(api: httpx.Client, world: World) -> None:
    key = mint(world, world.account().id, "files:read")
    twice = [("Authorization", f"Bearer {key.key}")] * 2
    assert api.get("/files", headers=twice).json()["code"] == "unauthenticated"


@pytest.mark.parametrize("state", ["invited", "disabled", "deleting", "deleted"])
def test_a_key_of_an_account_that_is_not_active_does_nothing(
    api: httpx.Client, world: World, state: str
) -> None:
    user = world.account()
    key = mint(world, user.id, "files:read")
    world.run("update users set state = :state where id = :id", state=state, id=user.id)
    assert api.get("/files", headers=key.headers).json()["code"] == "invalid_token"
    assert world.scalar("select last_used_at from api_keys where id = :id", id=key.id) is None


@pytest.fixture
def writes(world: World) -> Iterator[Callable[[Key], int]]:
    """How often the row of a key was updated, whoever did it."""
    world.run("create table written (key_id uuid)")
    world.run("""
        create function note_write() returns trigger language plpgsql security definer as
        'begin insert into written values (new.id); return null; end'
    """)
    world.run("create trigger note_write after update on api_keys for each row execute function note_write()")
    yield lambda key: int(world.scalar("select count(*) from written where key_id = :id", id=key.id))
    world.run("drop trigger note_write on api_keys")
    world.run("drop function note_write")
    world.run("drop table written")


def last_use(world: World, key: Key) -> Any:
    return world.scalar("select last_used_at from api_keys where id = :id", id=key.id)


class TestLastUse:
    """`last_used_at` is written at most once a minute."""

    def test_of_twenty_first_uses_at_once_one_is_noted(
        self, api: httpx.Client, world: World, writes: Callable[[Key], int]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: api.get("/files", headers=key.headers).status_code, range(20))
            assert Counter(answers) == {200: 20}
        assert writes(key) == 1

    def test_of_several_processes_one_notes_it(
        self, api: httpx.Client, world: World, writes: Callable[[Key], int], other: OtherProcess
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        with ThreadPoolExecutor(2) as pool:
            here = pool.submit(api.get, "/files", headers=key.headers)
            there = pool.submit(other.use, key.key)
            assert (here.result().status_code, there.result()[0]) == (200, "accepted")
        other.wait(10.1)
        assert other.use(key.key) == ("accepted", 1)
        assert writes(key) == 1

    def test_is_noted_again_after_a_minute_and_not_before(
        self, api: httpx.Client, world: World, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        api.get("/files", headers=key.headers)
        first = last_use(world, key)
        later(11)
        api.get("/files", headers=key.headers)
        assert last_use(world, key) == first
        world.run("update api_keys set last_used_at = now() - interval '61 s' where id = :id", id=key.id)
        later(22)
        api.get("/files", headers=key.headers)
        assert last_use(world, key) > first

    def test_does_not_wait_for_who_changes_the_key(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read")
        with world.engine.begin() as connection:
            connection.execute(text("select 1 from api_keys where id = :id for update"), {"id": key.id})
            assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is None

    def test_is_no_attempt_that_was_refused(self, api: httpx.Client, world: World, limits_on: None) -> None:
        elsewhere = mint(world, world.account().id, "files:read", networks=["192.0.2.0/24"])
        assert api.get("/files", headers=elsewhere.headers).status_code == 403
        assert last_use(world, elsewhere) is None
        key = mint(world, world.account().id, "files:read")
        wrong = {"Authorization": f"Bearer {new_key(key.id)}"}
        assert api.get("/files", headers=wrong).status_code == 401
        assert last_use(world, key) is None
        # Refused attempts keep the memory warm, and must not hide the use that follows.
        assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is not None

    def test_is_not_hidden_by_attempts_from_elsewhere(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", networks=["203.0.113.7"])
        with client_of(peer="198.51.100.1") as elsewhere:
            assert elsewhere.get("/files", headers=key.headers).status_code == 403
        assert last_use(world, key) is None
        assert api.get("/files", headers=key.headers).status_code == 200
        assert last_use(world, key) is not None


class TestNetworks:
    """A key works from its networks alone."""

    @pytest.mark.parametrize(
        ("networks", "peer", "status"),
        [
            ([], "203.0.113.7", 200),
            (["203.0.113.0/24"], "203.0.113.7", 200),
            (["203.0.113.7/32"], "203.0.113.7", 200),
            (["203.0.113.8/32", "203.0.113.6/31"], "203.0.113.7", 200),
            (["203.0.113.8/29"], "203.0.113.7", 403),
            (["0.0.0.0/0"], "203.0.113.7", 200),
            (["::/0"], "203.0.113.7", 403),
            (["203.0.113.0/24"], "::ffff:203.0.113.7", 200),
            (["2001:db8::/32"], "2001:db8:1::5", 200),
            (["2001:db8:2::/48"], "2001:db8:1::5", 403),
            (["0.0.0.0/0"], "2001:db8:1::5", 403),
            (["fe80::/64"], "fe80::1%eth0", 200),
            (["0.0.0.0/0", "::/0"], "a-socket", 403),
            (["0.0.0.0/0", "::/0"], "", 403),
        ],
    )
    def test_of_either_family(self, world: World, networks: list[str], peer: str, status: int) -> None:
        key = mint(world, world.account().id, "files:read", networks=networks)
        with client_of(peer=peer) as client:
            answer = client.get("/files", headers=key.headers)
        assert (answer.status_code, answer.json().get("code", "")) == (
            status,
            "" if status == 200 else "network_not_allowed",
        )

    @pytest.mark.parametrize(
        ("peer", "forwarded", "status"),
        [
            ("10.1.2.3", "203.0.113.9", 200),
            ("10.1.2.3", "198.51.100.7, 203.0.113.9", 200),
            ("10.1.2.3", "203.0.113.9, 10.9.9.9", 200),
            # Whoever asks a trusted proxy may write what he likes before it.
            ("10.1.2.3", "203.0.113.9, 198.51.100.7", 403),
            ("198.51.100.7", "203.0.113.9", 403),
            ("10.1.2.3", "", 403),
            ("fd00::1", "2001:db8::9", 200),
        ],
    )
    def test_behind_a_trusted_proxy(
        self, world: World, settings: SettingsChange, peer: str, forwarded: str, status: int
    ) -> None:
        settings(TRUSTED_PROXIES="10.0.0.0/8, fd00::/8")
        networks = ["203.0.113.0/24", "2001:db8::/32"]
        key = mint(world, world.account().id, "files:read", networks=networks)
        with client_of(peer=peer) as client:
            answer = client.get("/files", headers=key.headers | {"X-Forwarded-For": forwarded})
        assert answer.status_code == status

    def test_are_looked_at_for_a_remembered_key_too(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account().id, "files:read", networks=["203.0.113.7"])
        assert api.get("/files", headers=key.headers).status_code == 200
        with client_of(peer="198.51.100.1") as elsewhere:
            assert elsewhere.get("/files", headers=key.headers).status_code == 403


class TestOwnLimit:
    """A key may have a limit of its own."""

    def test_is_told_in_the_headers(self, api: httpx.Client, world: World, limits_on: None) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=3)
        answers = [api.get("/files", headers=key.headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
            "r=2",
            "r=1",
            "r=0",
            "r=0",
        ]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"api-key";q=3;w=60'}
        assert 15 <= int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["code"] == "too_many_requests"

    def test_counts_for_no_other_key(self, api: httpx.Client, world: World, limits_on: None) -> None:
        user = world.account()
        keys = [mint(world, user.id, "files:read", requests_per_minute=1) for _ in range(2)]
        answers = [api.get("/files", headers=key.headers).status_code for key in keys * 2]
        assert answers == [200, 200, 429, 429]

    def test_that_is_narrowed_does_not_count_what_was_spent_before(
        self, api: httpx.Client, world: World, limits_on: None, later: Callable[[float], None]
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=1000)
        assert [api.get("/files", headers=key.headers).status_code for _ in range(5)] == [200] * 5
        world.run("update api_keys set requests_per_minute = 1 where id = :id", id=key.id)
        later(10.1)
        assert [api.get("/files", headers=key.headers).status_code for _ in range(2)] == [200, 429]

    def test_of_many_at_once_lets_the_quota_through(
        self, api: httpx.Client, world: World, limits_on: None
    ) -> None:
        key = mint(world, world.account().id, "files:read", requests_per_minute=5)
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: api.get("/files", headers=key.headers).status_code, range(20))
            assert Counter(answers) == {200: 5, 429: 15}


class TestEnds:
    """A key ends when it was said to, and when its owner ends it."""

    def test_an_expired_key_does_nothing(self, api: httpx.Client, world: World) -> None:
        gone = mint(world, world.account().id, "files:read", expires_at=now() - timedelta(seconds=1))
        assert api.get("/files", headers=gone.headers).json()["code"] == "invalid_token"

    @pytest.mark.parametrize(("seconds", "status"), [(4, 200), (6, 401)])
    def test_no_key_is_remembered_beyond_its_expiry(
        self, api: httpx.Client, world: World, later: Callable[[float], None], seconds: float, status: int
    ) -> None:
        key = mint(world, world.account().id, "files:read", expires_at=now() + timedelta(seconds=5.5))
        assert api.get("/files", headers=key.headers).status_code == 200
        # Only the memory can still take it for good.
        world.run("update api_keys set expires_at = now() where id = :id", id=key.id)
        later(seconds)
        assert api.get("/files", headers=key.headers).status_code == status

    @pytest.mark.parametrize(("seconds", "status"), [(4, 200), (6, 401)])
    def test_no_rotated_secret_is_remembered_beyond_its_overlap(
        self, api: httpx.Client, world: World, later: Callable[[float], None], seconds: float, status: int
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        successor = Key(key.id, new_key(key.id))
        world.run(
            "update api_keys set digest = :digest, previous_digest = digest, previous_expires_at = :until "
            "where id = :id",
            digest=key_digest(successor.key),
            until=now() + timedelta(seconds=5.5),
            id=key.id,
        )
        for each in (key, successor):
            assert api.get("/files", headers=each.headers).status_code == 200
        world.run("update api_keys set previous_expires_at = now() where id = :id", id=key.id)
        later(seconds)
        assert api.get("/files", headers=key.headers).status_code == status
        assert api.get("/files", headers=successor.headers).status_code == 200

    def test_both_secrets_of_a_rotated_key_are_remembered(
        self, api: httpx.Client, world: World, statements: Statements
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        successor = Key(key.id, new_key(key.id))
        world.run(
            "update api_keys set digest = :digest, previous_digest = digest, "
            "previous_expires_at = now() + interval '1 day' where id = :id",
            digest=key_digest(successor.key),
            id=key.id,
        )
        counts = []
        for each in (key, successor, key, successor):
            assert api.get("/files", headers=each.headers).status_code == 200
            counts.append(statements())
        assert counts == [2, 0, 0, 0]

    @pytest.mark.parametrize(
        "end",
        [
            "delete from api_keys where id = :key",
            "update api_keys set expires_at = now() where id = :key",
            "update users set state = 'disabled' where id = :user",
            "delete from users where id = :user",
        ],
    )
    def test_another_process_sees_the_end_within_ten_seconds(
        self, world: World, other: OtherProcess, end: str
    ) -> None:
        user = world.account()
        key = mint(world, user.id, "files:read")
        assert other.use(key.key) == ("accepted", 2)
        world.run(end, **{"key": key.id} if ":key" in end else {"user": user.id})
        assert other.use(key.key) == ("accepted", 0)
        other.wait(10.1)
        assert other.use(key.key) == ("refused", 1)

    def test_a_key_that_is_found_to_be_gone_is_forgotten(self, api: httpx.Client, world: World) -> None:
        key = mint(world, world.account(roles=["admin"]).id, "files:read", "users:read")
        assert api.get("/files", headers=key.headers).status_code == 200
        world.run("delete from api_keys where id = :id", id=key.id)
        assert api.get("/live", headers=key.headers).status_code == 401
        assert api.get("/files", headers=key.headers).status_code == 401

    def test_what_was_read_before_a_change_in_this_process_is_not_remembered(
        self, api: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = mint(world, world.account().id, "files:read")
        find = api_keys._find

        def find_then_change(connection: Any, key_id: Any) -> Any:
            row = find(connection, key_id)
            world.run("delete from api_keys where id = :id", id=key.id)
            api_keys.forget_api_key(key.id)
            return row

        monkeypatch.setattr(api_keys, "_find", find_then_change)
        assert api.get("/files", headers=key.headers).status_code == 200
        monkeypatch.undo()
        assert api.get("/files", headers=key.headers).status_code == 401

    def test_the_memory_is_bounded(
        self, api: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_keys, "_REMEMBERED", 2)
        api_keys.forget_api_keys()
        user = world.account()
        for _ in range(5):
            assert api.get("/files", headers=mint(world, user.id, "files:read").headers).status_code == 200
            assert len(api_keys._memory._known) <= 2


def test_no_log_line_holds_a_key(
    api: httpx.Client, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = mint(world, world.account().id, "files:read")

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    capsys.readouterr()
    api.get("/files", headers=key.headers)
    api.get("/live", headers=key.headers)
    api_keys.forget_api_keys()
    monkeypatch.setattr(api_keys, "_from_row", fail)
    assert api.get("/files", headers=key.headers).status_code == 500
    logged = capsys.readouterr()
    assert "a fault of ours" in logged.out
    assert re.findall(PATTERN, logged.out + logged.err) == []
