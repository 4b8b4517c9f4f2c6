"""Where a person is signed in: seen, ended, told of, and no longer than stated."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from functions.auth.app import app
from functions.auth.devices import UNKNOWN, device_in_words
from tests.support.fixtures import SettingsChange
from tests.support.jobs import run_jobs
from tests.support.world import PASSWORD, Person, World

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"
NEWER_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)


def login(api: httpx.Client, email: str, agent: str = FIREFOX) -> dict[str, str]:
    headers = {"User-Agent": agent}
    answer = api.post("/v1/auth/login", json={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"} | {
        "refresh": answer.json()["refresh_token"]
    }


def listed(api: httpx.Client, headers: dict[str, str]) -> list[dict[str, object]]:
    items: list[dict[str, object]] = api.get("/v1/auth/sessions", headers=headers).json()["items"]
    return items


def refresh(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/v1/auth/refresh", json={"refresh_token": token})


def test_a_session_tells_its_device_in_words_and_which_one_asks(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    login(asgi, email, IPHONE)
    here = login(asgi, email)
    sessions = listed(asgi, here)
    assert [(each["device"], each["current"]) for each in sessions] == [
        ("Firefox on Linux", True),
        ("Safari on iPhone", False),
    ]
    assert {each["client_address"] for each in sessions} == {"203.0.113.7"}


def test_the_list_is_paged(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    here = [login(asgi, email) for _ in range(3)][-1]
    first = asgi.get("/v1/auth/sessions?limit=2", headers=here).json()
    second = asgi.get(f"/v1/auth/sessions?limit=2&cursor={first['next_cursor']}", headers=here).json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 1, None)


def test_another_device_can_be_signed_out(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    there, here = login(asgi, email, IPHONE), login(asgi, email)
    [other] = [each for each in listed(asgi, here) if not each["current"]]
    assert asgi.delete(f"/v1/auth/sessions/{other['id']}", headers=here).status_code == 204
    assert refresh(asgi, there["refresh"]).status_code == 401
    assert refresh(asgi, here["refresh"]).status_code == 200
    assert len(listed(asgi, here)) == 1


def test_nobody_ends_the_session_of_another(asgi: httpx.Client, world: World) -> None:
    ada, eve = world.person(), world.person()
    [session] = listed(asgi, ada.headers)
    answer = asgi.delete(f"/v1/auth/sessions/{session['id']}", headers=eve.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert refresh(asgi, ada.refresh_token).status_code == 200


@pytest.mark.parametrize(("scope", "ended"), [("current", [0]), ("others", [1, 2]), ("all", [0, 1, 2])])
def test_signing_out_has_a_scope(asgi: httpx.Client, world: World, scope: str, ended: list[int]) -> None:
    email = world.account().email
    sessions = [login(asgi, email) for _ in range(3)]
    assert asgi.post("/v1/auth/logout", json={"scope": scope}, headers=sessions[0]).status_code == 204
    codes = [refresh(asgi, each["refresh"]).status_code for each in sessions]
    assert [index for index, code in enumerate(codes) if code == 401] == ended


def test_a_revoked_session_does_nothing_sensitive_although_its_token_lives(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    asgi.post("/v1/auth/logout", headers=person.headers)
    assert asgi.get("/v1/users/me", headers=person.headers).status_code == 200
    refused = asgi.post("/v1/auth/email", json={"email": world.address()}, headers=person.headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


def age_sign_in(world: World, person: Person) -> None:
    world.run(
        "update sessions set authenticated_at = now() - interval '1 hour' where user_id = :id", id=person.id
    )


def test_a_sensitive_operation_wants_a_recent_sign_in(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    age_sign_in(world, person)
    refused = asgi.post("/v1/auth/email", json={"email": world.address()}, headers=person.headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")
    assert 'max_age="900"' in refused.headers["www-authenticate"]
    asgi.post("/v1/auth/reauthenticate", json={"password": PASSWORD}, headers=person.headers)
    again = asgi.post("/v1/auth/email", json={"email": world.address()}, headers=person.headers)
    assert again.status_code == 202


def test_refreshing_is_no_recent_sign_in(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    age_sign_in(world, person)
    tokens = refresh(asgi, person.refresh_token).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    refused = asgi.post("/v1/auth/email", json={"email": world.address()}, headers=headers)
    assert refused.json()["code"] == "recent_sign_in_required"


def test_an_idle_session_ends(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    world.run("update sessions set expires_at = now() where user_id = :id", id=person.id)
    assert refresh(asgi, person.refresh_token).status_code == 401
    assert asgi.get("/v1/auth/sessions", headers=person.headers).status_code == 401


def test_an_ended_session_ends_no_others(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    thief, owner = login(asgi, email), login(asgi, email, IPHONE)
    asgi.post("/v1/auth/logout", json={"scope": "others"}, headers=owner)
    for scope in ("others", "all"):
        refused = asgi.post("/v1/auth/logout", json={"scope": scope}, headers=thief)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refresh(asgi, owner["refresh"]).status_code == 200


def test_a_session_ends_however_much_it_is_used(
    asgi: httpx.Client, world: World, settings: SettingsChange
) -> None:
    settings(SESSION_DAYS="90", REFRESH_TOKEN_DAYS="30")
    person = world.person()
    world.run("update sessions set created_at = now() - interval '89 days' where user_id = :id", id=person.id)
    assert refresh(asgi, person.refresh_token).status_code == 200
    [session] = listed(asgi, person.headers)
    left = datetime.fromisoformat(str(session["expires_at"])) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)


def test_where_a_session_was_last_seen_follows_its_refreshes(
    asgi: httpx.Client, world: World, settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(TRUSTED_PROXIES="203.0.113.0/24")
    # Built anew with the next request, and with what is set now.
    monkeypatch.setattr(app, "middleware_stack", None)
    person = world.person()
    asgi.post(
        "/v1/auth/refresh",
        json={"refresh_token": person.refresh_token},
        headers={"X-Forwarded-For": "192.0.2.44"},
    )
    [session] = listed(asgi, person.headers)
    assert session["client_address"] == "198.51.100.1"
    assert session["last_address"] == "192.0.2.44"


def test_a_sign_in_from_a_new_device_is_told_by_mail(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    login(asgi, email)
    login(asgi, email, NEWER_FIREFOX)
    login(asgi, email, IPHONE)
    login(asgi, email, IPHONE)
    run_jobs("auth")
    [mail] = world.mails(email)
    assert (mail.template, mail.values["device"]) == ("new_device", "Safari on iPhone")


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", UNKNOWN),
        ("Firefox/1 (http://evil.example/x; Linux)", "Linux"),
        ("x" * 512, UNKNOWN),
        ("Mozilla/5.0 (Linux; Android 14; visit.evil.example) Firefox/1", UNKNOWN),
    ],
)
def test_a_device_in_words_holds_no_link(agent: str, words: str) -> None:
    assert device_in_words(agent) == words
