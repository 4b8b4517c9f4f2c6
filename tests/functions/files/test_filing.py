"""Files that are there: read, described, thrown away, taken back."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from common.database import dispose_engines, get_database
from tests.support.files import make_file
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport
from tests.support.world import Person, World


@pytest.fixture
def person(world: World) -> Person:
    return world.person()


type Call = Callable[..., httpx.Response]


@pytest.fixture
def call(asgi: httpx.Client, person: Person) -> Call:
    def send(method: str, path: object, **options: Any) -> httpx.Response:
        headers = person.headers | options.pop("headers", {})
        return asgi.request(method, f"/v1/files/{path}", headers=headers, **options)

    return send


@pytest.fixture
def file(world: World, person: Person) -> UUID:
    return make_file(world, person.id)


def entity_tag(answer: httpx.Response) -> dict[str, str]:
    return {"If-Match": answer.headers["etag"]}


class TestReading:
    def test_an_unchanged_file_is_304(self, call: Call, file: UUID) -> None:
        tag = call("GET", file).headers["etag"]
        again = call("GET", file, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        call("PATCH", file, json={"name": "x"}, headers={"If-Match": tag})
        assert call("GET", file, headers={"If-None-Match": tag}).status_code == 200

    def test_what_is_somebody_elses_is_not_there(self, call: Call, world: World) -> None:
        theirs = make_file(world, world.account().id)
        for method, path, options in [
            ("GET", f"{theirs}", {}),
            ("GET", f"{theirs}/content", {}),
            ("PATCH", f"{theirs}", {"json": {"name": "x"}, "headers": {"If-Match": "*"}}),
            ("DELETE", f"{theirs}", {}),
            ("DELETE", f"{theirs}?permanently=true", {}),
            ("POST", f"{theirs}/restore", {}),
        ]:
            assert call(method, path, **options).status_code == 404, (method, path)
        assert world.scalar("select version from files where id = :id", id=theirs) == 1

    @pytest.mark.parametrize("file_id", ["x", "..%2f..", "%00", f"{UUID(int=1)}x", "usage/x"])
    def test_what_is_no_id_is_not_there(self, call: Call, file_id: str) -> None:
        assert call("GET", file_id).status_code == 404


class TestWaiting:
    def test_it_ends_when_the_state_changes(self, call: Call, world: World, person: Person) -> None:
        file = make_file(world, person.id, state="processing")
        with ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            waiting = pool.submit(call, "GET", file, params={"wait": 20})
            world.run("update file_contents set state = 'ready' where owner_id = :id", id=person.id)
            assert waiting.result(10).json()["state"] == "ready"
        assert time.monotonic() - began < 5

    def test_it_ends_with_the_time(self, call: Call, world: World, person: Person) -> None:
        file = make_file(world, person.id, state="processing")
        began = time.monotonic()
        assert call("GET", file, params={"wait": 0.3}).json()["state"] == "processing"
        assert 0.3 <= time.monotonic() - began < 3

    def test_a_file_that_is_deleted_meanwhile_is_not_there(
        self, call: Call, world: World, person: Person
    ) -> None:
        file = make_file(world, person.id, state="processing")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(call, "GET", file, params={"wait": 20})
            world.run("delete from files where id = :id", id=file)
            assert waiting.result(10).status_code == 404

    @pytest.mark.parametrize("seconds", ["-1", "21", "nan", "inf", "1e9"])
    def test_it_has_a_bound(self, call: Call, file: UUID, seconds: str) -> None:
        assert call("GET", file, params={"wait": seconds}).status_code == 422

    def test_who_waits_holds_no_connection(
        self, world: World, person: Person, settings: SettingsChange
    ) -> None:
        file, other = make_file(world, person.id, state="processing"), make_file(world, person.id)
        settings(DATABASE_POOL_SIZE="1", DATABASE_WAIT_SECONDS="1")
        dispose_engines()
        get_database.cache_clear()
        try:
            with (
                httpx.Client(transport=AsgiTransport(), base_url="http://backend:8000") as api,
                ThreadPoolExecutor(12) as pool,
            ):
                path = f"/v1/files/{file}?wait=2"
                waiting = [pool.submit(api.get, path, headers=person.headers) for _ in range(10)]
                answers = [api.get(f"/v1/files/{other}", headers=person.headers) for _ in range(20)]
                assert Counter(answer.status_code for answer in answers) == {200: 20}
                world.run("update file_contents set state = 'ready' where owner_id = :id", id=person.id)
                assert Counter(each.result(10).json()["state"] for each in waiting) == {"ready": 10}
        finally:
            dispose_engines()
            get_database.cache_clear()


class TestChanging:
    def test_a_change_names_the_version_that_was_read(self, call: Call, file: UUID) -> None:
        assert call("PATCH", file, json={"name": "x"}).status_code == 428
        read = call("GET", file)
        changed = call("PATCH", file, json={"name": "the beach.jpg"}, headers=entity_tag(read))
        assert (changed.status_code, changed.json()["name"]) == (200, "the beach.jpg")
        assert changed.headers["etag"] != read.headers["etag"]
        assert changed.json()["updated_at"] > read.json()["updated_at"]
        lost = call("PATCH", file, json={"name": "lost"}, headers=entity_tag(read))
        assert (lost.status_code, lost.json()["code"]) == (412, "precondition_failed")

    def test_of_changes_to_one_version_at_the_same_moment_one_is_made(self, call: Call, file: UUID) -> None:
        headers = {"If-Match": '"1"'}
        with ThreadPoolExecutor(6) as pool:
            calls = [
                pool.submit(call, "PATCH", file, json={"name": f"{n}"}, headers=headers) for n in range(6)
            ]
            assert Counter(each.result().status_code for each in calls) == {200: 1, 412: 5}

    def test_what_is_named_changes_and_the_rest_stays(self, call: Call, file: UUID) -> None:
        everything = {
            "name": "a",
            "description": "b\nc",
            "tags": ["x", "y z", "x"],
            "custom": {"a": 1, "b": 1.5, "c": True, "d": None, "e": "ä"},
        }
        call("PATCH", file, json=everything, headers={"If-Match": "*"})
        changed = call("PATCH", file, json={"tags": []}, headers={"If-Match": "*"}).json()
        assert (changed["name"], changed["description"], changed["tags"]) == ("a", "b\nc", [])
        assert json.dumps(changed["custom"], sort_keys=True) == json.dumps(
            everything["custom"], sort_keys=True
        )

    def test_what_it_is_already_changes_nothing(self, call: Call, file: UUID) -> None:
        call("PATCH", file, json={"custom": {"b": True, "a": 1}}, headers={"If-Match": "*"})
        same = {"name": "sonnet.txt", "custom": {"a": 1, "b": True}}
        assert call("PATCH", file, json=same, headers={"If-Match": "*"}).headers["etag"] == '"2"'
        other = call("PATCH", file, json={"custom": {"a": True, "b": True}}, headers={"If-Match": "*"})
        assert other.headers["etag"] == '"3"'
        assert other.json()["custom"]["a"] is True

    @pytest.mark.parametrize(
        "body",
        [
            '{"name": ""}',
            '{"name": "   "}',
            '{"name": "a\\nb"}',
            '{"name": "a\\u0000b"}',
            '{"name": "\\ud800"}',
            '{"name": "' + "x" * 256 + '"}',
            '{"description": "' + "x" * 2001 + '"}',
            '{"tags": ["a,\\tb"]}',
            '{"tags": [" a"]}',
            '{"tags": ' + json.dumps([f"{n}" for n in range(33)]) + "}",
            '{"custom": {"a b": 1}}',
            '{"custom": {"a": [1]}}',
            '{"custom": {"a": {"b": 1}}}',
            '{"custom": {"a": 9007199254740993}}',
            '{"custom": {"a": "\\u0000"}}',
            '{"custom": {"a": "\\udfff"}}',
            '{"custom": {"a": "' + "x" * 1001 + '"}}',
            '{"custom": ' + json.dumps({f"{n}": "x" * 900 for n in range(5)}) + "}",
            '{"custom": ' + json.dumps({f"{n}": n for n in range(33)}) + "}",
            '{"size": 1}',
            '{"trashed_at": null}',
            "[]",
        ],
        ids=range(22),
    )
    def test_what_is_out_of_bounds_is_refused_and_says_where(self, call: Call, file: UUID, body: str) -> None:
        headers = {"If-Match": "*", "Content-Type": "application/json"}
        refused = call("PATCH", file, content=body.encode(), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
        assert " at 0x" not in refused.text
        assert call("GET", file).headers["etag"] == '"1"'

    @pytest.mark.parametrize("number", ["NaN", "1e999"])
    def test_a_number_that_no_float_holds_is_refused(self, call: Call, file: UUID, number: str) -> None:
        headers = {"If-Match": "*", "Content-Type": "application/json"}
        refused = call("PATCH", file, content=f'{{"custom": {{"a": {number}}}}}', headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
        assert call("GET", file).headers["etag"] == '"1"'


class TestTrash:
    def test_what_is_thrown_away_can_be_taken_back(
        self, call: Call, file: UUID, world: World, person: Person
    ) -> None:
        assert call("DELETE", file).status_code == 204
        trashed = call("GET", file).json()
        assert trashed["trashed_at"]
        assert call("GET", "usage").json()["in_trash"] == 1
        assert call("GET", f"{file}/content").json()["code"] == "in_trash"
        refused = call("PATCH", file, json={"name": "x"}, headers={"If-Match": "*"})
        assert refused.json()["code"] == "in_trash"
        restored = call("POST", f"{file}/restore")
        assert (restored.status_code, restored.json()["trashed_at"]) == (200, None)
        assert call("POST", f"{file}/restore").json()["code"] == "not_in_trash"
        assert world.audit(person.id)[1:] == [("file.trashed", "success"), ("file.restored", "success")]

    def test_throwing_it_away_again_changes_nothing(self, call: Call, file: UUID) -> None:
        call("DELETE", file)
        before = call("GET", file).json()
        assert call("DELETE", file).status_code == 204
        assert call("GET", file).json() == before

    @pytest.mark.parametrize("trashed", [False, True])
    def test_for_good_is_from_wherever_it_is(
        self, call: Call, world: World, person: Person, file: UUID, *, trashed: bool
    ) -> None:
        if trashed:
            call("DELETE", file)
        assert call("DELETE", file, params={"permanently": True}).status_code == 204
        assert call("GET", file).status_code == 404
        assert call("DELETE", file, params={"permanently": True}).status_code == 404
        assert call("GET", "usage").json() | {"quota": 0} == {
            "used": 0, "reserved": 0, "quota": 0, "in_trash": 0
        }  # fmt: skip
        assert world.audit(person.id)[-1] == ("file.deleted", "success")

    @pytest.mark.parametrize("permanently", [False, True])
    def test_if_match_is_heeded_where_it_is_given(self, call: Call, file: UUID, *, permanently: bool) -> None:
        query = {"permanently": permanently}
        refused = call("DELETE", file, params=query, headers={"If-Match": '"7"'})
        assert refused.status_code == 412
        assert call("DELETE", file, params=query, headers={"If-Match": '"1"'}).status_code == 204

    def test_of_two_at_the_same_moment_one_deletes_it(self, call: Call, file: UUID) -> None:
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(call, "DELETE", file, params={"permanently": True}) for _ in range(4)]
            assert Counter(each.result().status_code for each in calls) == {204: 1, 404: 3}


def test_a_rejected_file_says_why(call: Call, world: World, person: Person) -> None:
    why = {"rejection": "truncated", "rejection_detail": "The picture ends in the middle."}
    file = make_file(world, person.id, state="rejected", object_key=None, **why)
    read = call("GET", file).json()
    assert read["rejection"] == {"code": "truncated", "detail": "The picture ends in the middle."}
    assert read["image"] is None
    assert call("GET", f"{file}/content").json()["code"] == "content_rejected"
