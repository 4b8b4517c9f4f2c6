"""What happens between two steps of a sign-in or a verification."""

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from common import access, tokens
from common.database import get_database
from functions.auth import registration, signing
from functions.auth.passwords import get_passwords
from tests.support.world import PASSWORD, World


def login(api: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/login", json={"email": email, "password": password})


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ("update users set state = 'disabled' where id = :id", 403),
        ("update passwords set hash = 'another' where user_id = :id", 401),
        ("delete from passwords where user_id = :id", 401),
        ("delete from users where id = :id", 401),
    ],
)
def test_a_sign_in_is_judged_by_what_is_there_when_it_is_committed(
    asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str, status: int
) -> None:
    user = world.account()
    passwords = get_passwords()
    verify = passwords._verify

    def verify_while_it_changes(stored: str | None, password: str) -> bool:
        right = verify(stored, password)
        world.run(meanwhile, id=user.id)
        return right

    monkeypatch.setattr(passwords, "_verify", verify_while_it_changes)
    assert login(asgi, user.email).status_code == status
    assert world.scalar("select count(*) from sessions where user_id = :id", id=user.id) == 0


def test_a_link_that_was_made_too_late_changes_nothing(asgi: httpx.Client, world: World) -> None:
    user = world.account(verified=False)
    stranger = get_passwords()._hash("password of a stranger")

    def make_link(session: Session) -> None:
        registration.mail_link(session, user, "Eve", stranger)

    get_database("auth").transaction(make_link)
    world.run("update users set email_verified_at = now() where id = :id", id=user.id)
    token = world.mails(user.email)[-1].token
    assert asgi.post("/v1/auth/verify-email", json={"token": token}).status_code == 400
    assert login(asgi, user.email).status_code == 200
    assert login(asgi, user.email, "password of a stranger").status_code == 401


def test_a_signing_key_that_was_never_committed_signs_nothing(world: World) -> None:
    world.run("delete from signing_keys")
    signing.forget_signing_key()

    def fail_after_signing(session: Session) -> None:
        signing.ensure_signing_key(session)
        raise OperationalError("commit", {}, Exception())

    with pytest.raises(OperationalError):
        get_database("auth").transaction(fail_after_signing)
    assert signing._current.pair is None
    get_database("auth").transaction(signing.ensure_signing_key)
    assert world.scalar("select count(*) from signing_keys") == 1
    kept: signing.SigningKeyPair | None = vars(signing._current)["pair"]
    assert kept is not None
    assert str(world.scalar("select id from signing_keys")) == kept.kid


def test_a_key_made_after_the_last_reading_is_seen_within_a_second(asgi: httpx.Client, world: World) -> None:
    person = world.person()
    access.forget_tokens()
    stale = {"Authorization": f"Bearer {person.access_token}"}
    assert asgi.get("/v1/users/me", headers=stale).status_code == 200
    world.run("delete from signing_keys")
    signing.forget_signing_key()
    tokens.verification_keys._read_at -= 1.1
    newer = world.person()
    assert asgi.get("/v1/users/me", headers=newer.headers).status_code == 200


def test_one_mailbox_gets_a_bounded_number_of_mails(
    asgi: httpx.Client, world: World, limits_on: None
) -> None:
    email = world.address()
    for _ in range(8):
        answer = asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 202
        assert "mailbox" not in answer.headers.get("ratelimit", "")
    assert len(world.mails(email)) == 5


def test_the_successor_of_a_token_is_erased_by_the_rotation_after_its_grace(
    asgi: httpx.Client, world: World
) -> None:
    person = world.person()
    first = asgi.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token}).json()[
        "refresh_token"
    ]
    world.run(
        "update refresh_tokens set rotated_at = rotated_at - interval '11 s' where rotated_at is not null"
    )
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": first}).status_code == 200
    kept = """
        select count(*) from refresh_tokens t join sessions s on s.id = t.session_id
        where s.user_id = :id and t.successor is not null
    """
    assert world.scalar(kept, id=person.id) == 1


def test_a_database_error_is_logged_without_the_row_that_failed(
    asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run("alter table jobs add constraint never check (secret is null) not valid")
    email = world.address()
    try:
        assert asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD}).status_code == 500
    finally:
        world.run("alter table jobs drop constraint never")
    logged = capsys.readouterr().out
    assert "23514 never" in logged
    assert "argon2" not in logged
    assert email not in logged
