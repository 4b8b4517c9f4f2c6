"""A person gets all that is stored about them, and nobody else does."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy.orm import Session

from common import api_keys, audit, personal_data
from common.context import RequestContext, enter_context
from common.database import get_database
from common.functions import PERSONAL
from common.ids import new_id
from common.personal_data import Topic
from functions.users import personal_data as of_users
from tests.functions.users.conftest import Bucket
from tests.functions.users.erasing import furnish
from tests.functions.users.exporting import ask, download, export, fetch, job_of, look, mailed, unzip
from tests.functions.users.running import run_due, run_job
from tests.support.fixtures import SettingsChange
from tests.support.world import PASSWORD, Person, World

TOPICS = {
    "profile.json", "audit.json", "exports.json", "invitations.json", "bulk_invitations.json",
    "password.json", "sessions.json", "api_keys.json", "links.json", "registrations.json",
    "files.json", "uploads.json", "conversations.json", "messages.json", "ai_usage.json",
}  # fmt: skip


@pytest.fixture
def person(world: World) -> Person:
    return furnish(world)


def test_an_export_goes_from_collecting_to_a_file_with_every_topic(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    asked = ask(asgi, person)
    assert asked.status_code == 202
    assert (asked.json()["state"], asked.json()["link"]) == ("collecting", None)
    run_due(world, person.id)
    found = look(asgi, person)
    assert (found["state"], found["id"]) == ("ready", asked.json()["id"])
    kept = datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["ready_at"])
    assert kept == timedelta(days=7)

    fetched = fetch(found["link"])
    assert (fetched.status_code, len(fetched.content)) == (200, found["size"])
    files = unzip(fetched.content)
    assert files.keys() == TOPICS | {"README.txt"}
    assert all(name in files["README.txt"] for name in TOPICS)
    read = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert read["profile.json"]["email"] == person.email
    assert [each["name"] for each in read["api_keys.json"]] == ["deploys"]
    assert [each["client_address"] for each in read["sessions.json"]] == ["198.51.100.1"]
    assert [each["email"] for each in read["invitations.json"]] == [person.email.title()]
    assert {each["action"] for each in read["audit.json"]} >= {"session.opened", "export.requested"}
    assert read["profile.json"]["created_at"].endswith("Z")


def test_the_mail_brings_a_link_that_leads_to_the_same_file(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    found = export(asgi, world, person)
    [mail] = [mail for mail in world.mails(person.email) if mail.template == "export_ready"]
    assert mail.values["link"].startswith("http://localhost:8000/v1/users/exports/download?token=")
    for _ in range(2):
        answer = download(asgi, mail.token)
        assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
        assert answer.content == b""
        assert fetch(answer.headers["location"]).content == fetch(found["link"]).content
    assert world.audit(person.id).count(("export.downloaded", "success")) == 2


def test_a_link_is_signed_for_the_address_that_clients_reach_and_for_minutes(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, settings: SettingsChange
) -> None:
    export(asgi, world, person)
    settings(S3_PUBLIC_URL="https://files.lambkin.example")
    for link in (look(asgi, person)["link"], download(asgi, mailed(world, person)[0]).headers["location"]):
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc) == ("https", "files.lambkin.example")
        assert parts.path == f"/{bucket.name}/{bucket.keys()[0]}"
        query = parse_qs(parts.query)
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Expires"] == ["300"]
        assert query["response-content-disposition"][0].startswith('attachment; filename="lambkin-export-')


def test_the_archive_is_encrypted_at_rest_under_a_name_that_cannot_be_guessed(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    export(asgi, world, person)
    [key] = bucket.keys()
    assert len(key.rpartition("/")[2]) >= 43
    stored = bucket.s3.head_object(Bucket=bucket.name, Key=key)
    assert stored["ServerSideEncryption"] == "AES256"
    assert stored["ContentType"] == "application/zip"


SECRETS = """
    select hash as secret from passwords where user_id = :id
    union all select password_hash from pending_registrations join one_time_tokens using (digest)
        where user_id = :id
    union all select encode(digest, 'hex') from one_time_tokens where user_id = :id
    union all select encode(digest, 'base64') from one_time_tokens where user_id = :id
    union all select encode(digest, 'hex') from api_keys where user_id = :id
    union all select encode(digest, 'base64') from api_keys where user_id = :id
    union all select encode(refresh_tokens.digest, 'hex') from refresh_tokens
        join sessions on sessions.id = session_id where user_id = :id
    union all select encode(refresh_tokens.digest, 'base64') from refresh_tokens
        join sessions on sessions.id = session_id where user_id = :id
    union all select object_key from exports where user_id = :id
"""


def test_no_secret_is_in_any_file(asgi: httpx.Client, world: World, person: Person, bucket: Bucket) -> None:
    tokens = asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).json()
    key_id = new_id()
    key = api_keys.new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, previous_digest, scopes)"
        " values (:key, :id, 'another', :digest, :digest, '{}')",
        key=key_id, id=person.id, digest=api_keys.key_digest(key),
    )  # fmt: skip
    export(asgi, world, person)
    export(asgi, world, person)
    secrets = {str(row.secret) for row in world.rows(SECRETS, id=person.id) if row.secret}
    secrets |= {PASSWORD, person.refresh_token, tokens["refresh_token"], tokens["access_token"], key}
    secrets |= {mail.token for mail in world.mails(person.email)}
    assert len(secrets) >= 12
    files = unzip(fetch(look(asgi, person)["link"]).content)
    assert {name for name, text in files.items() for secret in secrets if secret in text} == set()


def test_what_is_stored_as_bytes_cannot_be_put_into_an_export(world: World) -> None:
    with pytest.raises(TypeError, match="belongs into no export"):
        personal_data._pack({"digests": Topic("Digests.", [{"digest": b"x"}])})


def test_parts_are_unreadable_at_rest_and_gone_when_the_archive_is_there(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    export_id = ask(asgi, person).json()["id"]
    content = "select content from export_parts where export_id = :id"
    for function in PERSONAL:
        run_job(job_of(world, person, "export_person", function), function)
    written = world.rows(content, id=export_id)
    assert len(written) == len(PERSONAL)
    assert all(person.email not in part.content for part in written)
    run_due(world, person.id)
    assert world.rows(content, id=export_id) == []


def test_where_somebody_else_acted_their_address_is_not_told(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    administrator = world.account()

    def act(session: Session) -> None:
        enter_context(RequestContext(function="users", client_address="203.0.113.99", user_agent="theirs"))
        audit.record(session, "account.changed", subject_id=person.id, actor_id=administrator.id)

    get_database("users").transaction(act)
    text = unzip(fetch(export(asgi, world, person)["link"]).content)["audit.json"]
    assert "203.0.113.99" not in text
    assert "theirs" not in text
    assert str(administrator.id) not in text
    [entry] = [entry for entry in json.loads(text) if entry["by"] == "somebody else"]
    assert (entry["action"], entry["on"]) == ("account.changed", "you")


def test_a_long_audit_log_is_cut_to_the_newest(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_users, "MOST_RECORDS", 3)
    for action in ("a.old", "b.new", "c.newest"):
        get_database("users").transaction(partial(audit.record, action=action, subject_id=person.id))
    entries = json.loads(unzip(fetch(export(asgi, world, person)["link"]).content)["audit.json"])
    assert [entry["action"] for entry in entries] == ["export.requested", "c.newest", "b.new"]


def test_of_twenty_who_ask_at_once_one_export_begins(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(asgi, person), range(20)))
    assert Counter(answer.status_code for answer in answers) == {202: 20}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert world.scalar("select count(*) from exports where user_id = :id", id=person.id) == 1


def test_an_export_takes_a_recent_sign_in_and_its_link_too(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket
) -> None:
    assert export(asgi, world, person)["link"]
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=person.id
    )
    assert ask(asgi, person).json()["code"] == "recent_sign_in_required"
    found = look(asgi, person)
    assert (found["state"], found["link"]) == ("ready", None)


def test_an_export_is_not_for_programs(asgi: httpx.Client, world: World, person: Person) -> None:
    key_id = new_id()
    key = api_keys.new_key(key_id)
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes)"
        " values (:key, :id, 'wide', :digest, '{profile:read,profile:write}')",
        key=key_id, id=person.id, digest=api_keys.key_digest(key),
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"}
    for method in ("GET", "POST"):
        answer = asgi.request(method, "/v1/users/me/export", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


def test_who_never_asked_has_no_export(asgi: httpx.Client, person: Person) -> None:
    answer = asgi.get("/v1/users/me/export", headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_export")


@pytest.mark.parametrize("token", ["", "unknown", "x" * 128])
def test_what_is_no_link_leads_nowhere(asgi: httpx.Client, token: str) -> None:
    answer = download(asgi, token)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_link")


def test_the_token_of_a_link_is_in_no_log_and_in_no_answer(
    asgi: httpx.Client, world: World, person: Person, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    export(asgi, world, person)
    [token] = mailed(world, person)
    answers = [download(asgi, token), download(asgi, f"{token}x"), download(asgi, token * 5)]
    assert [answer.status_code for answer in answers] == [303, 400, 422]
    logged = capsys.readouterr().out
    assert token not in logged
    assert bucket.keys()[0] not in logged
    assert all(token not in answer.text and token not in str(answer.headers) for answer in answers)


def test_exports_are_a_few_a_day_for_each_person(
    asgi: httpx.Client, world: World, person: Person, limits_on: None
) -> None:
    answers = [ask(asgi, person) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) > 3600
    assert ask(asgi, world.person()).status_code == 202


def test_downloads_are_limited(asgi: httpx.Client, limits_on: None) -> None:
    answers = Counter(download(asgi, "unknown").status_code for _ in range(65))
    assert answers == {400: 60, 429: 5}


def test_a_repeated_request_with_its_key_is_answered_once(
    asgi: httpx.Client, world: World, person: Person
) -> None:
    headers = person.headers | {"Idempotency-Key": "an-export-key"}
    first, second = (asgi.post("/v1/users/me/export", headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
