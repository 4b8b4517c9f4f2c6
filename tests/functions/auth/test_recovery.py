"""Recovery and change: by mail, once, telling strangers nothing."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.api_keys import mint
from tests.support.jobs import run_jobs
from tests.support.measuring import cost_of_requests
from tests.support.world import PASSWORD, Person, World

NEW = "a wholly new password"


def login(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": email, "password": password})


def forgot(api: httpx.Client, world: World, email: str) -> str:
    assert api.post("/v1/auth/password/forgot", json={"email": email}).status_code == 202
    run_jobs("auth")
    return [mail for mail in world.mails(email) if mail.template == "reset_password"][-1].token


def reset(api: httpx.Client, token: str, password: str = NEW) -> httpx.Response:
    return api.post("/v1/auth/password/reset", json={"token": token, "password": password})


def test_who_forgot_the_password_gets_a_link_that_sets_another(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    assert reset(asgi, forgot(asgi, world, person.email)).status_code == 200
    assert login(asgi, person.email).status_code == 401
    assert login(asgi, person.email, NEW).status_code == 200
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 401
    assert [mail.template for mail in world.mails(person.email)] == ["reset_password", "password_changed"]


def test_a_link_works_once_and_for_30_minutes(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    token = forgot(asgi, world, email)
    assert reset(asgi, token).status_code == 200
    assert reset(asgi, token).json()["code"] == "invalid_link"
    late = forgot(asgi, world, email)
    asked = (
        "select extract(epoch from max(expires_at) - max(one_time_tokens.created_at)) from one_time_tokens "
        "join users on users.id = user_id where users.email = :email"
    )
    assert world.scalar(asked, email=email) == 30 * 60
    world.run("update one_time_tokens set expires_at = now() where spent_at is null")
    assert reset(asgi, late).json()["code"] == "invalid_link"


def test_of_twenty_resets_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    token = forgot(asgi, world, email)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: reset(asgi, token, f"new password {number}"), range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert login(asgi, email, f"new password {winner}").status_code == 200


def test_a_new_link_takes_no_earlier_one_from_the_owner(asgi: httpx.Client, world: World) -> None:
    email = world.account().email
    first, second = forgot(asgi, world, email), forgot(asgi, world, email)
    assert reset(asgi, first).status_code == 200
    assert reset(asgi, second).status_code == 400


def test_only_an_active_account_gets_a_link(asgi: httpx.Client, world: World) -> None:
    user = world.account()
    world.run("update users set state = 'disabled' where id = :id", id=user.id)
    asgi.post("/v1/auth/password/forgot", json={"email": user.email})
    run_jobs("auth")
    assert world.mails(user.email) == []


@pytest.mark.parametrize(
    "path", ["/v1/auth/register", "/v1/auth/password/forgot", "/v1/auth/verify-email/resend"]
)
@pytest.mark.usefixtures("limits_on")
def test_known_and_unknown_addresses_cost_the_same(asgi: httpx.Client, world: World, path: str) -> None:
    known = world.account(verified="resend" not in path).email
    costs, answers = [], []
    for email in (known, world.address()):
        with cost_of_requests() as cost:
            body = {"email": email} | ({"password": PASSWORD} if "register" in path else {})
            answers.append(asgi.post(path, json=body))
        costs.append(cost)
    assert costs[0] == costs[1]
    assert costs[0].statements > 0
    assert answers[0].json() == answers[1].json()
    assert answers[0].status_code == answers[1].status_code == 202


@pytest.mark.usefixtures("limits_on")
def test_a_wrong_password_costs_the_same_for_known_and_unknown(asgi: httpx.Client, world: World) -> None:
    costs = []
    for email in (world.account().email, world.address()):
        with cost_of_requests() as cost:
            assert login(asgi, email, "wrong password").status_code == 401
        costs.append(cost)
    assert costs[0] == costs[1]
    assert costs[0].hashes == 1


def test_a_link_proves_the_address(asgi: httpx.Client, world: World) -> None:
    email = world.account(verified=False).email
    assert login(asgi, email).json()["code"] == "email_not_verified"
    reset(asgi, forgot(asgi, world, email))
    assert login(asgi, email, NEW).status_code == 200


def test_another_verification_link_carries_the_latest_registration(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD, "name": "Ada"})
    asgi.post("/v1/auth/verify-email/resend", json={"email": email})
    run_jobs("auth")
    first, second = world.mails(email)
    assert first.template == second.template == "verify_email"
    assert asgi.post("/v1/auth/verify-email", json={"token": second.token}).status_code == 200
    assert login(asgi, email).status_code == 200
    assert asgi.post("/v1/auth/verify-email", json={"token": first.token}).status_code == 400


def test_the_password_is_changed_by_who_knows_it_and_other_sessions_end(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    other = login(asgi, person.email).json()
    body = {"current_password": "wrong", "password": NEW}
    assert asgi.put("/v1/auth/password", json=body, headers=person.headers).status_code == 401
    body["current_password"] = PASSWORD
    assert asgi.put("/v1/auth/password", json=body, headers=person.headers).status_code == 204
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 200
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": other["refresh_token"]}).status_code == 401
    assert login(asgi, person.email, NEW).status_code == 200
    assert ("password.changed", "refused") in world.audit(person.id)


def test_of_twenty_changes_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    person = world.person()

    def change(number: int) -> int:
        body = {"current_password": PASSWORD, "password": f"new password {number}"}
        return asgi.put("/v1/auth/password", json=body, headers=person.headers).status_code

    with ThreadPoolExecutor(20) as pool:
        assert Counter(pool.map(change, range(20)))[204] == 1


def change_email(api: httpx.Client, world: World, headers: dict[str, str], email: str) -> str:
    assert api.post("/v1/auth/email", json={"email": email}, headers=headers).status_code == 202
    run_jobs("auth")
    return world.mails(email)[-1].token


def test_another_address_counts_once_it_is_confirmed_and_the_old_one_is_told(
    asgi: httpx.Client, world: World
) -> None:
    person, new = world.person(), world.address()
    token = change_email(asgi, world, person.headers, new)
    assert login(asgi, new).status_code == 401
    assert asgi.post("/v1/auth/email/confirm", json={"token": token}).status_code == 200
    assert login(asgi, new).status_code == 200
    assert login(asgi, person.email).status_code == 401
    assert [mail.template for mail in world.mails(person.email)] == ["email_changed"]
    assert asgi.post("/v1/auth/email/confirm", json={"token": token}).status_code == 400


def test_the_old_address_takes_the_account_back(asgi: httpx.Client, world: World) -> None:
    person, new = world.person(), world.address()
    key = {"name": "of an intruder", "scopes": ["profile:read"]}
    made = asgi.post("/v1/auth/api-keys", json=key, headers=person.headers).json()["key"]
    asgi.post("/v1/auth/email/confirm", json={"token": change_email(asgi, world, person.headers, new)})
    [told] = [mail for mail in world.mails(person.email) if mail.template == "email_changed"]
    assert asgi.post("/v1/auth/email/undo", json={"token": told.token}).status_code == 200
    assert asgi.get("/v1/users/me", headers={"Authorization": f"Bearer {made}"}).status_code == 401
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).status_code == 401
    assert login(asgi, new).status_code == 401
    assert login(asgi, person.email).json()["code"] == "password_reset_required"
    link = world.mails(person.email)[-1]
    assert reset(asgi, link.token).status_code == 200
    assert login(asgi, person.email, NEW).status_code == 200


def test_of_twenty_undos_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    person, new = world.person(), world.address()
    asgi.post("/v1/auth/email/confirm", json={"token": change_email(asgi, world, person.headers, new)})
    [told] = [mail for mail in world.mails(person.email) if mail.template == "email_changed"]
    with ThreadPoolExecutor(20) as pool:
        codes = pool.map(
            lambda _: asgi.post("/v1/auth/email/undo", json={"token": told.token}).status_code, range(20)
        )
        assert Counter(codes) == {200: 1, 400: 19}


def test_an_address_that_is_somebodys_is_not_told_to_who_asks(asgi: httpx.Client, world: World) -> None:
    person, owner = world.person(), world.account()
    free, taken = (
        asgi.post("/v1/auth/email", json={"email": email}, headers=person.headers)
        for email in (world.address(), owner.email)
    )
    assert (free.status_code, free.json()) == (taken.status_code, taken.json())
    run_jobs("auth")
    assert [mail.template for mail in world.mails(owner.email)] == ["email_in_use"]


def test_who_registers_an_address_without_proving_it_keeps_it_from_nobody(
    asgi: httpx.Client, world: World
) -> None:
    person, new = world.person(), world.address()
    asgi.post("/v1/auth/register", json={"email": new, "password": "of a squatter"})
    asgi.post("/v1/auth/email", json={"email": new}, headers=person.headers)
    run_jobs("auth")
    [link] = [mail for mail in world.mails(new) if mail.template == "change_email"]
    assert asgi.post("/v1/auth/email/confirm", json={"token": link.token}).status_code == 200
    assert world.scalar("select id from users where email = :email", email=new) == person.id


def test_two_accounts_that_confirm_one_address_at_once_leave_one_with_it(
    asgi: httpx.Client, world: World
) -> None:
    new = world.address()
    people = [world.person(), world.person()]
    tokens = [change_email(asgi, world, person.headers, new) for person in people]
    with ThreadPoolExecutor(2) as pool:
        codes = pool.map(
            lambda token: asgi.post("/v1/auth/email/confirm", json={"token": token}).status_code, tokens
        )
        assert sorted(codes) == [200, 400]
    assert world.scalar("select count(*) from users where email = :email", email=new) == 1


def test_of_twenty_confirmations_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    person, new = world.person(), world.address()
    body = {"token": change_email(asgi, world, person.headers, new)}
    with ThreadPoolExecutor(20) as pool:
        codes = pool.map(lambda _: asgi.post("/v1/auth/email/confirm", json=body).status_code, range(20))
        assert Counter(codes) == {200: 1, 400: 19}


def test_of_twenty_verifications_at_once_one_wins(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    body = {"token": world.mails(email)[0].token}
    with ThreadPoolExecutor(20) as pool:
        codes = pool.map(lambda _: asgi.post("/v1/auth/verify-email", json=body).status_code, range(20))
        assert Counter(codes) == {200: 1, 400: 19}


def test_a_reset_ends_a_change_of_address_that_waits(asgi: httpx.Client, world: World) -> None:
    person, new = world.person(), world.address()
    waiting = change_email(asgi, world, person.headers, new)
    reset(asgi, forgot(asgi, world, person.email))
    assert asgi.post("/v1/auth/email/confirm", json={"token": waiting}).status_code == 400


def test_measuring_sees_the_statements_of_a_request(asgi: httpx.Client, world: World) -> None:
    headers = world.person().headers
    asgi.get("/v1/users/me", headers=headers)
    with cost_of_requests() as cost:
        asgi.get("/v1/users/me", headers=headers)
    assert cost.statements == 1


def move(api: httpx.Client, world: World, person: Person, email: str) -> None:
    assert api.post("/v1/auth/email", json={"email": email}, headers=person.headers).status_code == 202
    [asked] = [mail for mail in world.mails(email) if mail.template == "change_email"]
    assert api.post("/v1/auth/email/confirm", json={"token": asked.token}).status_code == 200


def test_who_took_an_account_cannot_close_its_owners_way_back(asgi: httpx.Client, world: World) -> None:
    owner, second, third = world.person(), world.address(), world.address()
    move(asgi, world, owner, second)
    move(asgi, world, owner, third)
    for email in (second, owner.email):
        [told] = [mail for mail in world.mails(email) if mail.template == "email_changed"]
        assert asgi.post("/v1/auth/email/undo", json={"token": told.token}).status_code == 200
    assert world.scalar("select email from users where id = :id", id=owner.id) == owner.email


def test_who_undoes_a_change_undoes_those_after_it(asgi: httpx.Client, world: World) -> None:
    owner, second, third = world.person(), world.address(), world.address()
    move(asgi, world, owner, second)
    move(asgi, world, owner, third)
    answers = []
    for email in (owner.email, second):
        [told] = [mail for mail in world.mails(email) if mail.template == "email_changed"]
        answers.append(asgi.post("/v1/auth/email/undo", json={"token": told.token}).status_code)
    assert answers == [200, 400]


def ask_for_address(api: httpx.Client, person: Person, email: str) -> None:
    assert api.post("/v1/auth/email", json={"email": email}, headers=person.headers).status_code == 202


def changed_password(api: httpx.Client, _: World, person: Person) -> httpx.Response:
    passwords = {"current_password": PASSWORD, "password": NEW}
    return api.put("/v1/auth/password", json=passwords, headers=person.headers)


def told_to_change(api: httpx.Client, world: World, person: Person) -> httpx.Response:
    admin = world.person(roles=["admin"])
    return api.post(f"/v1/users/{person.id}/password-reset", headers=admin.headers)


@pytest.mark.parametrize("act", [changed_password, told_to_change])
def test_a_new_password_ends_a_change_of_address_that_was_asked_for(
    asgi: httpx.Client, world: World, act: Callable[[httpx.Client, World, Person], httpx.Response]
) -> None:
    person, email = world.person(), world.address()
    ask_for_address(asgi, person, email)
    [asked] = world.mails(email)
    assert act(asgi, world, person).is_success
    answer = asgi.post("/v1/auth/email/confirm", json={"token": asked.token})
    assert answer.json()["code"] == "invalid_link"


def test_a_reset_by_an_administrator_ends_the_keys_as_well(asgi: httpx.Client, world: World) -> None:
    person, bystander = world.person(), world.person()
    keys = {each.id: mint(world, each.id) for each in (person, bystander)}
    told_to_change(asgi, world, person)
    run_jobs("auth")
    found = {each.id: asgi.get("/v1/users/me", headers=keys[each.id].headers) for each in (person, bystander)}
    assert (found[person.id].status_code, found[bystander.id].status_code) == (401, 200)
    # Whoever only knows the address ends nobody's keys.
    forgot(asgi, world, bystander.email)
    assert world.scalar("select count(*) from api_keys where user_id = :id", id=bystander.id) == 1


def test_a_session_that_has_ended_changes_no_address(asgi: httpx.Client, world: World) -> None:
    person, email = world.person(), world.address()
    ask_for_address(asgi, person, email)
    assert asgi.post("/v1/auth/logout", headers=person.headers).status_code == 204
    assert world.mails(email) == []


def test_where_two_have_registered_another_link_sets_a_new_password(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    for number in range(2):
        registration = {"email": email, "password": f"password of number {number}"}
        assert asgi.post("/v1/auth/register", json=registration).status_code == 202
        run_jobs("auth")
    assert asgi.post("/v1/auth/verify-email/resend", json={"email": email}).status_code == 202
    mail = world.mails(email)[-1]
    assert mail.template == "reset_password"
    assert reset(asgi, mail.token).status_code == 200
    assert login(asgi, email, NEW).status_code == 200
