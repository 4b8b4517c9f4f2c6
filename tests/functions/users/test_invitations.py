"""Who may invite whom, and what becomes of an invitation that is sent again or revoked."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from common.permissions import MEMBER
from tests.support.api_keys import mint
from tests.support.world import PASSWORD, Person, World


def invite(api: httpx.Client, by: Person | dict[str, str], email: str, **body: Any) -> httpx.Response:
    headers = by.headers if isinstance(by, Person) else by
    return api.post("/v1/users", json={"email": email} | body, headers=headers)


def invited(api: httpx.Client, world: World, by: Person, **body: Any) -> tuple[str, str]:
    """The path and the address of somebody who is invited."""
    email = world.address()
    answer = invite(api, by, email, **body)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"], email


def accept(api: httpx.Client, token: str) -> httpx.Response:
    return api.post("/v1/auth/invitations/accept", json={"token": token, "password": PASSWORD})


def role(world: World, *permissions: str) -> str:
    name = f"r{uuid4().hex[:20]}"
    world.run(
        "insert into roles (name, permissions) values (:name, :permissions)",
        name=name,
        permissions=list(permissions),
    )
    return name


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def test_an_invited_account_has_no_password_and_its_mail_no_secret_but_the_link(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    email = world.address()
    answer = invite(asgi, admin, email.upper(), name="Zoë", roles=["member"])
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/users/{body['id']}"
    assert (body["email"], body["name"], body["state"], body["roles"]) == (
        email,
        "Zoë",
        "invited",
        ["member"],
    )
    assert body["invitation_expires_at"][:10] > body["created_at"][:10]
    [mail] = world.mails(email)
    assert mail.template == "invitation"
    assert set(mail.values) == {"name", "link", "days"}
    assert "/accept-invitation?token=" in mail.values["link"]
    assert world.scalar("select count(*) from passwords where user_id = :id", id=body["id"]) == 0
    assert world.audit(UUID(body["id"])) == [("account.invited", "success")]


def test_an_invited_account_cannot_sign_in(asgi: httpx.Client, world: World, admin: Person) -> None:
    _, email = invited(asgi, world, admin)
    refused = asgi.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("state", ["invited", "active", "disabled", "deleting"])
def test_an_address_that_has_an_account_cannot_be_invited(
    asgi: httpx.Client, world: World, admin: Person, state: str
) -> None:
    user = world.account()
    world.run("update users set state = :state where id = :id", state=state, id=user.id)
    refused = invite(asgi, admin, user.email)
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    assert world.mails(user.email) == []


def test_a_repetition_with_the_same_key_mails_once(asgi: httpx.Client, world: World, admin: Person) -> None:
    email = world.address()
    headers = admin.headers | {"Idempotency-Key": uuid4().hex}
    first, second = (invite(asgi, headers, email) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"]
    assert len(world.mails(email)) == 1


def test_nobody_gives_a_role_that_permits_more_than_they_may(asgi: httpx.Client, world: World) -> None:
    support = role(world, "users:read", "users:write")
    auditor = role(world, "audit:read")
    inviter = world.person(roles=["member", support])
    email = world.address()
    for roles in (["admin"], ["member", auditor], ["member", "admin"]):
        refused = invite(asgi, inviter, email, roles=roles)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert world.mails(email) == []
    assert invite(asgi, inviter, email, roles=["member", support]).status_code == 201


def test_an_invitation_that_would_permit_more_than_who_sends_it_is_in_the_log(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    inviter = world.person(roles=["member", role(world, "users:write")])
    invite(asgi, inviter, world.address(), roles=["admin"])
    path, _ = invited(asgi, world, admin, roles=["admin"])
    asgi.post(f"{path}/invitation", headers=inviter.headers)
    asgi.delete(f"{path}/invitation", headers=inviter.headers)
    entries = world.rows(
        "select action, outcome, details ->> 'reason' as reason from audit_log "
        "where actor_id = :id and action <> 'session.opened' order by created_at",
        id=inviter.id,
    )
    assert [tuple(entry) for entry in entries] == [
        (action, "refused", "insufficient_scope")
        for action in ("account.invited", "invitation.resent", "invitation.revoked")
    ]


def test_a_role_that_there_is_not_is_named(asgi: httpx.Client, world: World, admin: Person) -> None:
    refused = invite(asgi, admin, world.address(), roles=["member", "no-such-role"])
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_role")
    assert refused.json()["errors"][0]["pointer"] == "#/roles/1"


@pytest.mark.parametrize(
    "body",
    [
        {"email": "nobody"},
        {"password": "correct horse battery staple"},
        {"state": "active"},
        {"name": "two\nlines"},
        {"name": "x" * 201},
        {"roles": []},
        {"roles": ["member"] * 17},
        {"roles": "admin"},
        {"roles": [None]},
        {"roles": ["\x00"]},
    ],
)
def test_what_is_no_invitation_is_refused(
    asgi: httpx.Client, world: World, admin: Person, body: dict[str, Any]
) -> None:
    refused = asgi.post("/v1/users", json={"email": world.address()} | body, headers=admin.headers)
    assert refused.status_code == 422


def test_an_invitation_needs_a_recent_sign_in(asgi: httpx.Client, world: World, admin: Person) -> None:
    world.run(
        "update sessions set authenticated_at = now() - interval '1 day' where user_id = :id", id=admin.id
    )
    refused = invite(asgi, admin, world.address())
    assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")


def test_an_invitation_that_is_sent_again_has_another_link_and_a_new_life(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path, email = invited(asgi, world, admin)
    world.run("update one_time_tokens set expires_at = now() where user_id = :id", id=id_of(path))
    first = world.mails(email)[0].token
    assert accept(asgi, first).json()["code"] == "invalid_link"
    again = asgi.post(f"{path}/invitation", headers=admin.headers)
    assert again.status_code == 200
    assert again.json()["invitation_expires_at"] > again.json()["created_at"]
    mails = world.mails(email)
    assert [mail.template for mail in mails] == ["invitation", "invitation"]
    assert accept(asgi, mails[1].token).status_code == 200


def test_links_before_the_last_do_not_work(asgi: httpx.Client, world: World, admin: Person) -> None:
    path, email = invited(asgi, world, admin)
    for _ in range(2):
        assert asgi.post(f"{path}/invitation", headers=admin.headers).status_code == 200
    tokens = [mail.token for mail in world.mails(email)]
    assert [accept(asgi, token).status_code for token in tokens] == [400, 400, 200]


def test_a_revoked_invitation_leaves_no_account_and_a_free_address(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path, email = invited(asgi, world, admin)
    assert asgi.delete(f"{path}/invitation", headers=admin.headers).status_code == 204
    assert accept(asgi, world.mails(email)[0].token).json()["code"] == "invalid_link"
    assert asgi.delete(f"{path}/invitation", headers=admin.headers).status_code == 404
    assert world.audit(id_of(path))[-1] == ("invitation.revoked", "success")
    assert invite(asgi, admin, email).status_code == 201


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("state", ["active", "disabled", "deleting", "deleted"])
def test_only_what_is_still_invited_can_be_sent_again_or_revoked(
    asgi: httpx.Client, world: World, admin: Person, method: str, state: str
) -> None:
    user = world.account()
    world.run("update users set state = :state where id = :id", state=state, id=user.id)
    refused = asgi.request(method, f"/v1/users/{user.id}/invitation", headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_invited")
    assert world.scalar("select state from users where id = :id", id=user.id) == state
    assert world.mails(user.email) == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_account_that_is_gone_is_not_found(
    asgi: httpx.Client, world: World, admin: Person, method: str
) -> None:
    refused = asgi.request(method, f"/v1/users/{uuid4()}/invitation", headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_nobody_touches_an_invitation_that_permits_more_than_they_may(
    asgi: httpx.Client, world: World, admin: Person, method: str
) -> None:
    path, email = invited(asgi, world, admin, roles=["admin"])
    inviter = world.person(roles=["member", role(world, "users:write")])
    refused = asgi.request(method, f"{path}/invitation", headers=inviter.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert accept(asgi, world.mails(email)[0].token).status_code == 200


def test_an_api_key_sends_again_what_its_scopes_permit_and_invites_nobody(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    narrow = mint(world, admin.id, "users:write").headers
    wide = mint(world, admin.id, "users:write", *MEMBER).headers
    path, _ = invited(asgi, world, admin)
    assert asgi.post(f"{path}/invitation", headers=narrow).json()["code"] == "insufficient_scope"
    assert asgi.post(f"{path}/invitation", headers=wide).status_code == 200
    assert invite(asgi, wide, world.address()).json()["code"] == "session_required"


def test_a_lost_role_counts_at_once(asgi: httpx.Client, world: World, admin: Person) -> None:
    path, _ = invited(asgi, world, admin)
    world.run("update users set roles = '{member}' where id = :id", id=admin.id)
    assert invite(asgi, admin, world.address()).json()["code"] == "insufficient_scope"
    assert asgi.delete(f"{path}/invitation", headers=admin.headers).json()["code"] == "insufficient_scope"


@pytest.mark.usefixtures("limits_on")
def test_one_mailbox_gets_a_bounded_number_of_invitations(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path, email = invited(asgi, world, admin)
    answers = [asgi.post(f"{path}/invitation", headers=admin.headers).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert len(world.mails(email)) == 6
