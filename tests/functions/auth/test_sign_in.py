import argon2
import httpx
import pytest

from functions.auth import passwords
from tests.support.fixtures import SettingsChange
from tests.support.numbers import number
from tests.support.transports import AsgiTransport
from tests.support.world import PASSWORD, World


def login(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": email, "password": password})


def hashes() -> float:
    return number("lambkin_password_hashes_total")


def test_a_refused_sign_in_leaves_its_trace(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    assert login(asgi, user.email, "wrong password").status_code == 401
    assert world.audit(user.id) == [("session.opened", "refused")]


def test_a_refusal_for_an_unknown_address_leaves_its_trace(asgi: httpx.Client, world: World) -> None:
    request_id = login(asgi, world.address()).headers["x-request-id"]
    [entry] = world.rows("select * from audit_log where request_id = :id", id=request_id)
    assert (entry.action, entry.outcome, entry.subject_id) == ("session.opened", "refused", None)
    assert entry.client_address == "203.0.113.7"


@pytest.mark.usefixtures("limits_on")
def test_a_refusal_costs_the_same_for_a_known_and_an_unknown_address(
    asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    known, unknown = world.account().email, world.address()
    login(asgi, known, "wrong password")  # the decoy's hash is made once per process
    login(asgi, unknown)
    costs, answers = [], []
    for email in (known, unknown):
        before = hashes()
        capsys.readouterr()
        answer = login(asgi, email, "wrong password")
        line = json.loads(capsys.readouterr().out.splitlines()[-1])
        costs.append((line["statements"], hashes() - before))
        answers.append({k: v for k, v in answer.json().items() if k != "request_id"})
    assert costs[0] == costs[1]
    assert costs[0][1] == 1
    assert answers[0] == answers[1]


def test_a_disabled_account_is_told_so_only_with_the_right_password(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    world.run("update users set state = 'disabled' where id = :id", id=user.id)
    assert login(asgi, user.email).json()["code"] == "account_disabled"
    assert login(asgi, user.email, "wrong password").json()["code"] == "invalid_credentials"


def test_who_is_going_to_be_deleted_is_told_so_only_with_the_right_password(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    assert asgi.delete("/v1/users/me", headers=person.headers).status_code == 202
    answer = login(asgi, person.email)
    assert (answer.status_code, answer.json()["code"]) == (403, "account_deleting")
    assert login(asgi, person.email, "wrong password").json()["code"] == "invalid_credentials"


def test_a_hash_of_older_parameters_is_renewed_at_sign_in(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    old = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    world.run("update passwords set hash = :hash where user_id = :id", hash=old, id=user.id)
    assert login(asgi, user.email).status_code == 200
    assert "m=8,t=1,p=1" in world.scalar("select hash from passwords where user_id = :id", id=user.id)
    assert login(asgi, user.email).status_code == 200


def test_production_hashes_with_argon2id_at_64_mib_and_3_passes(settings: SettingsChange) -> None:
    settings(PASSWORD_HASH_KIB="65536", PASSWORD_HASH_PASSES="3")
    assert passwords.Passwords()._hash("a password").startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_sign_out_ends_the_session_and_its_refresh_token(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    assert asgi.post("/v1/auth/logout", headers=person.headers).status_code == 204
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 401
    assert ("session.revoked", "success") in world.audit(person.id)


def test_signing_out_twice_is_no_error(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    for _ in range(2):
        assert asgi.post("/v1/auth/logout", headers=person.headers).status_code == 204


def test_signing_out_leaves_other_sessions_alone(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    first, second = (login(asgi, email).json() for _ in range(2))
    asgi.post("/v1/auth/logout", headers={"Authorization": f"Bearer {first['access_token']}"})
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]}).status_code == 200


@pytest.mark.usefixtures("limits_on")
def test_guessing_at_one_account_is_limited_and_its_owner_elsewhere_is_not(
    asgi: httpx.Client, world: World
) -> None:
    email = world.account().email
    codes = [login(asgi, email, "wrong password").status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    refused = login(asgi, email)
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["ratelimit"].startswith('"sign-in-delay";r=0;t=')
    assert login(asgi, world.account().email).status_code == 200
    with httpx.Client(transport=AsgiTransport(peer="192.0.2.55"), base_url=asgi.base_url) as elsewhere:
        assert login(elsewhere, email).status_code == 200
