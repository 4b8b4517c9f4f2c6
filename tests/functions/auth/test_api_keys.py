"""API keys: made, listed, changed and revoked by the person whom they act for."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from common.api_keys import is_api_key, key_digest, key_start, public_id
from common.ids import new_id
from common.models.base import now
from tests.support.api_keys import ANY, KEYS, change, codes, create, mint, use
from tests.support.world import World


class TestCreating:
    """POST /v1/auth/api-keys."""

    def test_shows_the_key_once_and_the_database_holds_its_digest_alone(
        self, asgi: httpx.Client, world: World
    ) -> None:
        person = world.person()
        made = create(asgi, person)
        assert made.status_code == 201
        key, key_id = made.json()["key"], made.json()["id"]
        assert is_api_key(key)
        assert public_id(key) == UUID(key_id)
        assert key.startswith(f"{made.json()['start']}_")
        assert made.headers["location"] == f"{KEYS}/{key_id}"
        assert made.headers["cache-control"] == "no-store"
        assert bytes(world.scalar("select digest from api_keys where id = :id", id=key_id)) == key_digest(key)
        secret = key.rpartition("_")[2]
        for path in (KEYS, f"{KEYS}/{key_id}"):
            answer = asgi.get(path, headers=person.headers)
            assert key_id in answer.text
            assert secret not in answer.text

    def test_leaves_the_key_in_no_table_and_in_no_log(
        self, asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        person = world.person()
        once = person.headers | {"Idempotency-Key": str(new_id())}
        made = asgi.post(KEYS, json={"name": "Backup", "scopes": ["profile:read"]}, headers=once).json()
        rotated = asgi.post(f"{KEYS}/{made['id']}/rotate", headers=person.headers).json()
        assert use(asgi, rotated["key"]) == 200
        logged = capsys.readouterr()
        tables = [row[0] for row in world.rows("select tablename from pg_tables where schemaname = 'public'")]
        assert {"api_keys", "audit_log", "idempotency_keys", "jobs"} <= set(tables)
        for key in (made["key"], rotated["key"]):
            secret = key.rpartition("_")[2]
            assert secret not in logged.out + logged.err
            as_hex = secret.encode().hex()
            for table in tables:
                found = world.scalar(
                    f"select count(*) from {table} as t where t::text like :text or t::text like :hex",
                    text=f"%{secret}%",
                    hex=f"%{as_hex}%",
                )
                assert found == 0, table

    def test_answers_with_what_was_asked_for(self, asgi: httpx.Client, world: World) -> None:
        expires_at = (now() + timedelta(days=30)).replace(microsecond=0)
        answer = create(
            asgi,
            world.person(),
            name="Nightly backup ✓",
            scopes=["files:read", "profile:read", "files:read"],
            networks=["192.0.2.0/24", "2001:DB8:0::/32", "198.51.100.7", "198.51.100.7/32"],
            requests_per_minute=600,
            expires_at=expires_at.isoformat(),
        ).json()
        assert is_api_key(answer.pop("key"))
        key_id = UUID(answer.pop("id"))
        assert abs(datetime.fromisoformat(answer.pop("created_at")) - now()) < timedelta(minutes=1)
        assert answer == {
            "name": "Nightly backup ✓",
            "start": key_start(key_id),
            "scopes": ["files:read", "profile:read"],
            "networks": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"],
            "requests_per_minute": 600,
            "expires_at": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            "last_used_at": None,
            "rotated_at": None,
            "previous_expires_at": None,
        }

    def test_makes_a_key_that_other_functions_take(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = create(asgi, person).json()["key"]
        answer = asgi.get("/v1/users/me", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["id"]) == (200, str(person.id))

    def test_is_repeated_with_the_same_key(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        headers = person.headers | {"Idempotency-Key": str(new_id())}
        body = {"name": "Once", "scopes": ["profile:read"]}
        first, second = (asgi.post(KEYS, json=body, headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        for name in ("location", "etag"):
            assert first.headers[name] == second.headers[name]
        assert world.scalar("select count(*) from api_keys where user_id = :id", id=person.id) == 1

    def test_is_repeated_also_after_the_key_has_expired(
        self, asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = world.person()
        headers = person.headers | {"Idempotency-Key": str(new_id())}
        soon = now() + timedelta(hours=1)
        body = {"name": "Short", "scopes": ["profile:read"], "expires_at": soon.isoformat()}
        first = asgi.post(KEYS, json=body, headers=headers)
        assert first.status_code == 201
        monkeypatch.setattr("functions.auth.api_keys.now", lambda: soon + timedelta(hours=1))
        assert asgi.post(KEYS, json=body, headers=person.headers).status_code == 422
        second = asgi.post(KEYS, json=body, headers=headers)
        assert (second.status_code, second.json()) == (201, first.json())

    def test_is_recorded_without_the_key(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        made = create(asgi, person).json()
        entry = world.rows(
            "select * from audit_log where subject_id = :id and action = 'api_key.created'", id=person.id
        )[0]
        assert (entry.actor_id, entry.outcome) == (person.id, "success")
        assert entry.details == {"key_id": made["id"], "scopes": ["profile:read"]}


class TestReading:
    """GET /v1/auth/api-keys and /{id}."""

    def test_lists_ones_own_keys_page_by_page(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        mint(world, world.account().id)
        made = [str(mint(world, person.id).id) for _ in range(5)]
        for sort, expected in (("created_at", made), ("-created_at", made[::-1])):
            found: list[str] = []
            query: dict[str, Any] = {"sort": sort, "limit": 2}
            while query:
                page = asgi.get(KEYS, params=query, headers=person.headers).json()
                found += [item["id"] for item in page["items"]]
                query = page["next_cursor"] and query | {"cursor": page["next_cursor"]}
            assert found == expected
        assert asgi.get(KEYS, headers=person.headers).json()["items"][0]["id"] == made[-1]

    def test_a_cursor_of_another_person_is_refused(self, asgi: httpx.Client, world: World) -> None:
        ada, eve = world.person(), world.person()
        for _ in range(2):
            mint(world, ada.id)
        cursor = asgi.get(KEYS, params={"limit": 1}, headers=ada.headers).json()["next_cursor"]
        answer = asgi.get(KEYS, params={"cursor": cursor}, headers=eve.headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "broken_cursor")

    def test_shows_a_key_with_its_last_use(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id, "profile:read")
        assert asgi.get(f"{KEYS}/{key.id}", headers=person.headers).json()["last_used_at"] is None
        assert use(asgi, key.key) == 200
        shown = asgi.get(f"{KEYS}/{key.id}", headers=person.headers)
        assert abs(datetime.fromisoformat(shown.json()["last_used_at"]) - now()) < timedelta(minutes=1)
        assert shown.headers["etag"] == '"1"'
        known = asgi.get(f"{KEYS}/{key.id}", headers=person.headers | {"If-None-Match": '"1"'})
        assert (known.status_code, known.content) == (304, b"")

    def test_takes_two_statements(
        self, asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        person = world.person()
        key = mint(world, person.id)
        for path in (KEYS, f"{KEYS}/{key.id}"):
            asgi.get(path, headers=person.headers)
            capsys.readouterr()
            asgi.get(path, headers=person.headers)
            # One of them looks the session up.
            assert json.loads(capsys.readouterr().out.splitlines()[-1])["statements"] == 2


class TestChanging:
    """PATCH /v1/auth/api-keys/{id}."""

    def test_changes_what_is_named_and_nothing_else(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        made = create(asgi, person, networks=["192.0.2.0/24"], requests_per_minute=5)
        before = {name: value for name, value in made.json().items() if name != "key"}
        path, etag = f"{KEYS}/{before['id']}", made.headers["etag"]
        bodies: list[dict[str, Any]] = [
            {"name": "Renamed"},
            {"scopes": ["files:read", "files:write"]},
            {"scopes": ["files:read"]},
            {"networks": ["198.51.100.1"]},
            {"networks": []},
            {"requests_per_minute": 7},
            {"requests_per_minute": None},
            {"expires_at": "2027-06-01T00:00:00Z"},
            {"expires_at": None},
        ]
        for body in bodies:
            answer = asgi.patch(path, json=body, headers=person.headers | {"If-Match": etag})
            assert answer.status_code == 200, answer.text
            before |= body | ({"networks": ["198.51.100.1/32"]} if body.get("networks") else {})
            assert answer.json() == before
            assert answer.headers["etag"] != etag
            etag = answer.headers["etag"]
        assert asgi.get(path, headers=person.headers).json() == before

    def test_of_nothing_changes_nothing(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id)
        answer = change(asgi, person, key.id)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
        assert ("api_key.changed", "success") not in world.audit(person.id)

    def test_names_the_version_that_was_read(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        path = f"{KEYS}/{mint(world, person.id).id}"
        assert asgi.patch(path, json={"name": "x"}, headers=person.headers).status_code == 428
        first = person.headers | {"If-Match": '"1"'}
        assert asgi.patch(path, json={"name": "x"}, headers=first).status_code == 200
        assert asgi.patch(path, json={"name": "y"}, headers=first).status_code == 412

    def test_widens_no_scope_beyond_the_owners(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id, "profile:read")
        answer = change(asgi, person, key.id, scopes=["profile:read", "users:write"])
        assert (answer.status_code, answer.json()["scopes"]) == (403, ["users:write"])
        assert world.scalar("select scopes from api_keys where id = :id", id=key.id) == ["profile:read"]

    def test_of_the_name_leaves_scopes_that_the_owner_has_lost(
        self, asgi: httpx.Client, world: World
    ) -> None:
        person = world.person()
        key = mint(world, person.id, "profile:read", "users:read")
        answer = change(asgi, person, key.id, name="Other")
        assert answer.json()["scopes"] == ["profile:read", "users:read"]

    @pytest.mark.parametrize("body", [{"name": None}, {"scopes": None}, {"scopes": []}, {"networks": None}])
    def test_takes_away_nothing_that_a_key_needs(
        self, asgi: httpx.Client, world: World, body: dict[str, Any]
    ) -> None:
        person = world.person()
        assert change(asgi, person, mint(world, person.id).id, **body).status_code == 422

    def test_counts_in_this_process_at_once(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id, "profile:read")
        assert use(asgi, key.key) == 200
        change(asgi, person, key.id, scopes=["files:read"])
        assert use(asgi, key.key) == 403
        change(asgi, person, key.id, scopes=["profile:read"])
        assert use(asgi, key.key) == 200
        change(asgi, person, key.id, networks=["198.51.100.0/24"])
        assert use(asgi, key.key) == 403

    def test_that_is_refused_changes_nothing(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id)
        answer = change(asgi, person, key.id, name="Other", expires_at="2020-01-01T00:00:00Z")
        assert codes(answer) == {("#/expires_at", "value_error")}
        assert asgi.get(f"{KEYS}/{key.id}", headers=person.headers).json()["name"] == "minted"

    def test_is_recorded_by_the_names_of_what_changed(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id)
        change(asgi, person, key.id, name="Other", networks=[])
        details = world.scalar(
            "select details from audit_log where subject_id = :id and action = 'api_key.changed'",
            id=person.id,
        )
        assert details == {"key_id": str(key.id), "fields": ["name", "networks"]}


class TestRevoking:
    """DELETE /v1/auth/api-keys/{id}."""

    def test_ends_a_key_at_once_in_this_process(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key, kept = (create(asgi, person).json() for _ in range(2))
        assert (use(asgi, key["key"]), use(asgi, kept["key"])) == (200, 200)
        path = f"{KEYS}/{key['id']}"
        assert asgi.delete(path, headers=person.headers).status_code == 204
        assert (use(asgi, key["key"]), use(asgi, kept["key"])) == (401, 200)
        assert asgi.get(path, headers=person.headers).status_code == 404
        assert asgi.delete(path, headers=person.headers).status_code == 404
        assert world.audit(person.id).count(("api_key.deleted", "success")) == 1

    def test_an_account_ends_its_keys(self, asgi: httpx.Client, world: World) -> None:
        person = world.person()
        key = mint(world, person.id)
        world.run("delete from users where id = :id", id=person.id)
        assert world.scalar("select count(*) from api_keys where id = :id", id=key.id) == 0


OF_ONE_KEY = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")]


@pytest.mark.parametrize(("method", "rest"), OF_ONE_KEY)
def test_a_foreign_key_is_as_none(asgi: httpx.Client, world: World, method: str, rest: str) -> None:
    person, stranger = world.person(), world.person(roles=["admin"])
    key = mint(world, person.id)
    answers = [
        asgi.request(
            method,
            f"{KEYS}/{key_id}{rest}",
            headers=stranger.headers | ANY,
            json={"name": "Mine"} if method == "PATCH" else None,
        )
        for key_id in (key.id, new_id())
    ]
    foreign, unknown = (
        {name: value for name, value in answer.json().items() if name not in ("instance", "request_id")}
        for answer in answers
    )
    assert [answer.status_code for answer in answers] == [404, 404]
    assert foreign == unknown
    assert use(asgi, key.key) == 200


@pytest.mark.parametrize(
    ("method", "rest"), [("POST", ""), ("GET", ""), *((m, f"/KEY{r}") for m, r in OF_ONE_KEY)]
)
def test_a_key_cannot_look_after_keys(asgi: httpx.Client, world: World, method: str, rest: str) -> None:
    user = world.account(roles=["admin"])
    key = mint(world, user.id, "users:write", "roles:write", "profile:write")
    body = {"name": "Child", "scopes": ["profile:read"]} if (method, rest) == ("POST", "") else None
    path = KEYS + rest.replace("KEY", str(key.id))
    answer = asgi.request(method, path, headers=key.headers | ANY, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


def test_a_session_that_is_not_recent_may_look_and_end_but_neither_make_nor_change_a_key(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    key = mint(world, person.id)
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=person.id
    )
    rotated = asgi.post(f"{KEYS}/{key.id}/rotate", headers=person.headers)
    for answer in (create(asgi, person), rotated, change(asgi, person, key.id, name="Other")):
        assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required")
    assert asgi.get(KEYS, headers=person.headers).status_code == 200
    assert asgi.delete(f"{KEYS}/{key.id}", headers=person.headers).status_code == 204


@pytest.mark.parametrize(
    "end",
    [
        "update sessions set revoked_at = now() where user_id = :id",
        "update users set state = 'disabled' where id = :id",
    ],
)
def test_a_session_that_has_ended_may_do_nothing_with_keys(
    asgi: httpx.Client, world: World, end: str
) -> None:
    person = world.person()
    key = mint(world, person.id)
    world.run(end, id=person.id)
    path = f"{KEYS}/{key.id}"
    answers = [
        create(asgi, person),
        asgi.get(KEYS, headers=person.headers),
        asgi.get(path, headers=person.headers),
        change(asgi, person, key.id, name="Other"),
        asgi.post(f"{path}/rotate", headers=person.headers),
        asgi.delete(path, headers=person.headers),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "invalid_token")}


@pytest.mark.parametrize("key_id", ["x", "1", "null", "%00", "01890a5d-ac96-774b-bcce-b302099a805", "..%2f"])
def test_what_is_no_id_is_not_found(asgi: httpx.Client, world: World, key_id: str) -> None:
    assert asgi.get(f"{KEYS}/{key_id}", headers=world.person().headers).status_code == 404
