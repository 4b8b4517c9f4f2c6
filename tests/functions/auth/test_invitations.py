"""An invitation accepted: who gets the account, and what a link is worth afterwards."""

import httpx
import pytest

from functions.auth.passwords import get_passwords
from tests.support.world import PASSWORD, Mail, Person, World


def invited(api: httpx.Client, world: World, **body: object) -> Mail:
    admin = world.person(roles=["admin"])
    email = world.address()
    answer = api.post("/v1/users", json={"email": email, "name": "Ada"} | body, headers=admin.headers)
    assert answer.status_code == 201
    return world.mails(email)[0]


def sent_by(api: httpx.Client, world: World, sender: Person, *roles: str) -> Mail:
    email = world.address()
    answer = api.post("/v1/users", json={"email": email, "roles": roles}, headers=sender.headers)
    assert answer.status_code == 201
    return world.mails(email)[0]


def accept(api: httpx.Client, link: str, /, **body: object) -> httpx.Response:
    given = {"token": link, "password": PASSWORD} | body
    return api.post("/v1/auth/invitations/accept", json=given)


def test_who_accepts_signs_in_with_what_the_invitation_gave(asgi: httpx.Client, world: World) -> None:
    mail = invited(asgi, world, roles=["admin"])
    assert accept(asgi, mail.token).status_code == 200
    tokens = asgi.post("/v1/auth/login", json={"email": mail.to, "password": PASSWORD}).json()
    assert "users:write" in tokens["scope"].split()
    me = asgi.get("/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
    assert (me["name"], me["email_verified"], me["roles"]) == ("Ada", True, ["admin"])
    entries = world.audit(me["id"])
    assert ("invitation.accepted", "success") in entries


def test_who_accepts_may_say_their_name(asgi: httpx.Client, world: World) -> None:
    mail = invited(asgi, world)
    assert accept(asgi, mail.token, name="Augusta").status_code == 200
    assert world.scalar("select name from users where email = :email", email=mail.to) == "Augusta"


def test_a_link_works_once(asgi: httpx.Client, world: World) -> None:
    mail = invited(asgi, world)
    assert accept(asgi, mail.token).status_code == 200
    again = accept(asgi, mail.token, password="another password")
    assert (again.status_code, again.json()["code"]) == (400, "invalid_link")
    assert asgi.post("/v1/auth/login", json={"email": mail.to, "password": PASSWORD}).status_code == 200


def test_a_link_that_does_not_work_costs_no_hash(
    asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    passwords = get_passwords()
    hash_one = passwords._hash

    def count_and_hash(password: str) -> str:
        hashed.append(password)
        return hash_one(password)

    monkeypatch.setattr(passwords, "_hash", count_and_hash)
    mail = invited(asgi, world)
    world.run("update one_time_tokens set expires_at = now() where purpose = 'invitation'")
    for token in (mail.token, "unknown", "x" * 128, "\x00"):
        refused = accept(asgi, token)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_link")
    assert hashed == []


def test_a_link_of_another_kind_accepts_nothing(asgi: httpx.Client, world: World) -> None:
    email = world.address()
    asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    token = world.mails(email)[0].token
    assert accept(asgi, token).json()["code"] == "invalid_link"


def test_all_other_links_to_an_accepted_account_are_void(asgi: httpx.Client, world: World) -> None:
    mail = invited(asgi, world)
    asgi.post("/v1/auth/register", json={"email": mail.to, "password": "password of a stranger"})
    stranger = world.mails(mail.to)[-1]
    assert stranger.template == "verify_email"
    assert accept(asgi, mail.token).status_code == 200
    assert asgi.post("/v1/auth/verify-email", json={"token": stranger.token}).status_code == 400
    live = """
        select count(*) from one_time_tokens join users on users.id = user_id
        where users.email = :email and spent_at is null
    """
    assert world.scalar(live, email=mail.to) == 0


def test_an_address_that_was_verified_otherwise_has_no_invitation_left(
    asgi: httpx.Client, world: World
) -> None:
    mail = invited(asgi, world)
    world.run("update users set roles = '{admin}' where email = :email", email=mail.to)
    asgi.post("/v1/auth/register", json={"email": mail.to, "password": PASSWORD})
    verification = world.mails(mail.to)[-1]
    assert asgi.post("/v1/auth/verify-email", json={"token": verification.token}).status_code == 200
    assert accept(asgi, mail.token, password="another password").json()["code"] == "invalid_link"
    assert asgi.post("/v1/auth/login", json={"email": mail.to, "password": PASSWORD}).status_code == 200
    # Whose password that link carried is not known: it gives what any registration gives.
    assert world.scalar("select roles from users where email = :email", email=mail.to) == ["member"]


LOST_POWERS = [
    "update users set roles = '{member}' where id = :id",
    "update users set state = 'disabled' where id = :id",
    "delete from users where id = :id",
]


@pytest.mark.parametrize("change", LOST_POWERS)
def test_an_invitation_to_more_than_membership_ends_with_the_powers_of_who_sent_it(
    asgi: httpx.Client, world: World, change: str
) -> None:
    sender = world.person(roles=["admin"])
    mail = sent_by(asgi, world, sender, "admin")
    world.run(change, id=sender.id)
    refused = accept(asgi, mail.token)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_link")
    [account] = world.rows("select id, state, roles from users where email = :email", email=mail.to)
    assert account.state == "invited"
    assert ("invitation.accepted", "refused") in world.audit(account.id)
    # Another administrator answers for it now.
    again = asgi.post(f"/v1/users/{account.id}/invitation", headers=world.person(roles=["admin"]).headers)
    assert again.is_success, again.text
    assert accept(asgi, world.mails(mail.to)[-1].token).status_code == 200


@pytest.mark.parametrize("change", LOST_POWERS)
def test_an_invitation_to_membership_stays_whoever_sent_it(
    asgi: httpx.Client, world: World, change: str
) -> None:
    sender = world.person(roles=["admin"])
    mail = sent_by(asgi, world, sender, "member")
    world.run(change, id=sender.id)
    assert accept(asgi, mail.token).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"password": "short"},
        {"password": "x" * 1025},
        {"name": "two\nlines"},
        {"token": ""},
        {"token": "x" * 129},
        {"roles": ["admin"]},
        {"email": "eve@lambkin.example"},
    ],
)
def test_what_is_no_acceptance_is_refused_and_spends_nothing(
    asgi: httpx.Client, world: World, body: dict[str, object]
) -> None:
    mail = invited(asgi, world)
    assert accept(asgi, mail.token, **body).status_code == 422
    assert accept(asgi, mail.token).status_code == 200


@pytest.mark.usefixtures("limits_on")
def test_links_cannot_be_guessed_without_end(asgi: httpx.Client, world: World) -> None:
    answers = [accept(asgi, f"guess-{number}").status_code for number in range(61)]
    assert answers == [400] * 60 + [429]
