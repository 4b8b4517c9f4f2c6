"""Guessing gets slower and slower, for the guesser alone."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from common import rate_limits
from functions.auth import limits
from functions.auth.app import app
from tests.support.fixtures import SettingsChange
from tests.support.jobs import run_jobs
from tests.support.transports import AsgiTransport
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.usefixtures("limits_on")


WRONG = "wrong password"


def login(api: httpx.Client, email: str, password: str = WRONG, **headers: str) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": email, "password": password}, headers=headers)


def client_at(peer: str) -> httpx.Client:
    return httpx.Client(transport=AsgiTransport(peer=peer), base_url="http://backend:8000")


def let_time_pass(world: World, seconds: float) -> None:
    """As if everything had happened this much earlier."""
    world.run(
        "update rate_limits set updated_at = updated_at - make_interval(secs => :seconds), "
        "expires_at = expires_at - make_interval(secs => :seconds)",
        seconds=seconds,
    )
    rate_limits._refused_until.clear()


def test_each_wrong_guess_doubles_the_wait(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    assert [login(asgi, email).status_code for _ in range(5)] == [401] * 5
    waits = []
    for _ in range(6):
        refused = login(asgi, email)
        assert refused.status_code == 429
        waits.append(int(refused.headers["retry-after"]))
        assert refused.headers["ratelimit-policy"] == '"sign-in-delay";q=5;w=900'
        let_time_pass(world, waits[-1])
        assert login(asgi, email).status_code == 401
    assert waits == [1, 2, 4, 8, 16, 32]


def test_the_wait_has_an_end_and_is_forgotten_after_a_day(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    for _ in range(25):
        login(asgi, email)
        let_time_pass(world, 900)
    login(asgi, email)
    assert 890 <= int(login(asgi, email).headers["retry-after"]) <= 900
    let_time_pass(world, 86_400)
    assert [login(asgi, email).status_code for _ in range(5)] == [401] * 5


def test_the_right_password_forgets_the_wrong_ones(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    for _ in range(3):
        assert [login(asgi, email).status_code for _ in range(4)] == [401] * 4
        assert login(asgi, email, PASSWORD).status_code == 200


def test_many_guesses_at_once_are_no_more_than_one_after_another(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    with ThreadPoolExecutor(20) as pool:
        codes = Counter(pool.map(lambda _: login(asgi, email).status_code, range(20)))
    assert codes == {401: 5, 429: 15}


def test_a_guesser_locks_the_owner_out_of_no_live_session(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    with client_at("192.0.2.66") as guesser:
        for _ in range(10):
            login(guesser, person.email)
    assert login(asgi, person.email, PASSWORD).status_code == 200
    # From many places, until the limit of the account itself is full.
    for number in range(101):
        with client_at(f"192.0.2.{number}") as guesser:
            login(guesser, person.email)
    assert login(asgi, person.email, PASSWORD).status_code == 429
    assert asgi.get("/v1/users/me", headers=person.headers).status_code == 200
    body = {"refresh_token": person.refresh_token}
    assert asgi.post("/v1/auth/refresh", json=body).status_code == 200


def test_recovery_gets_the_owner_in_while_others_guess(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    for number in range(102):
        with client_at(f"192.0.2.{number}") as guesser:
            login(guesser, email)
    assert login(asgi, email, PASSWORD).status_code == 429
    assert asgi.post("/v1/auth/password/forgot", json={"email": email}).status_code == 202
    run_jobs("auth")
    body = {"token": world.mails(email)[0].token, "password": "a wholly new password"}
    assert asgi.post("/v1/auth/password/reset", json=body).status_code == 200
    assert login(asgi, email, "a wholly new password").status_code == 200


def test_two_people_behind_a_trusted_proxy_are_limited_apart(
    world: World, settings: SettingsChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(TRUSTED_PROXIES="203.0.113.0/24")
    # Built anew with the next request, and with what is set now.
    monkeypatch.setattr(app, "middleware_stack", None)
    email = world.account().email
    with client_at("203.0.113.7") as proxied:
        codes = [login(proxied, email, **{"X-Forwarded-For": "192.0.2.1"}).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]
        assert login(proxied, email, PASSWORD, **{"X-Forwarded-For": "192.0.2.2"}).status_code == 200
        # What a stranger claims beyond the trusted hop changes nothing.
        claimed = {"X-Forwarded-For": "198.51.100.9, 192.0.2.1"}
        assert login(proxied, email, **claimed).status_code == 429


def test_another_process_counts_on(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    for _ in range(5):
        login(asgi, email)
    world.run("update rate_limits set spent = spent + 10")
    program = f"""
from tests.functions.auth.test_brute_force import client_at, login
with client_at("203.0.113.7") as api:
    print(login(api, {email!r}).status_code)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines()[-1] == "429"


def test_who_holds_a_session_cannot_guess_the_password_with_it(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    body = {"password": "wrong"}
    codes = [
        asgi.post("/v1/auth/reauthenticate", json=body, headers=person.headers).status_code for _ in range(6)
    ]
    assert codes == [401] * 5 + [429]
    change = {"current_password": "wrong", "password": "a wholly new password"}
    assert asgi.put("/v1/auth/password", json=change, headers=person.headers).status_code == 429
    # That lock is of this door alone.
    assert login(asgi, person.email, PASSWORD).status_code == 200


def test_who_guesses_in_one_session_does_not_slow_the_owner_down_in_another(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    tokens = login(asgi, person.email, PASSWORD).json()
    for _ in range(6):
        asgi.post("/v1/auth/reauthenticate", json={"password": "wrong"}, headers=person.headers)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    mine = asgi.post("/v1/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert mine.status_code == 204


def test_everybody_together_is_limited(
    asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = rate_limits.Limit("sign-in-everybody", quota=3, seconds=3600)
    monkeypatch.setattr(limits, "SIGN_IN_EVERYBODY", few)
    codes = []
    for number in range(4):
        with client_at(f"192.0.2.{number}") as api:
            codes.append(login(api, world.address()).status_code)
    assert codes == [401, 401, 401, 429]


@pytest.mark.parametrize(
    "path", ["/v1/auth/password/forgot", "/v1/auth/verify-email/resend", "/v1/auth/register"]
)
def test_a_mailbox_is_not_filled_and_nobody_is_told(asgi: httpx.Client, world: World, path: str) -> None:
    email = world.account(verified="resend" not in path).email
    body = {"email": email} | ({"password": PASSWORD} if "register" in path else {})
    codes = {asgi.post(path, json=body).status_code for _ in range(15)}
    run_jobs("auth")
    assert codes == {202}
    assert 1 <= len(world.mails(email)) <= 10


def test_filling_a_mailbox_with_registrations_keeps_nobody_from_recovery(
    asgi: httpx.Client, world: World
) -> None:
    email = world.account().email
    for _ in range(10):
        asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    asgi.post("/v1/auth/password/forgot", json={"email": email})
    run_jobs("auth")
    assert [mail.template for mail in world.mails(email)].count("reset_password") == 1


OPEN = {
    "/v1/auth/register": {"email": "a@lambkin.example", "password": PASSWORD},
    "/v1/auth/verify-email": {"token": "unknown"},
    "/v1/auth/verify-email/resend": {"email": "a@lambkin.example"},
    "/v1/auth/login": {"email": "a@lambkin.example", "password": "wrong password"},
    "/v1/auth/refresh": {"refresh_token": "lr_unknown"},
    "/v1/auth/password/forgot": {"email": "a@lambkin.example"},
    "/v1/auth/password/reset": {"token": "unknown", "password": PASSWORD},
    "/v1/auth/email/confirm": {"token": "unknown"},
    "/v1/auth/email/undo": {"token": "unknown"},
}


@pytest.mark.parametrize("path", OPEN)
def test_what_strangers_may_call_is_limited_by_address_and_for_everybody(
    asgi: httpx.Client, world: World, path: str
) -> None:
    before = world.scalar("select count(*) from rate_limits")
    answer = asgi.post(path, json=OPEN[path])
    assert answer.status_code < 500
    assert "ratelimit" in answer.headers
    assert "ratelimit-policy" in answer.headers
    assert world.scalar("select count(*) from rate_limits") >= before + 2
