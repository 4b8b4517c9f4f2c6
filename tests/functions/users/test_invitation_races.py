"""What happens to an invitation at the same moment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.functions.users.test_invitations import accept, id_of, invite, invited
from tests.support.world import PASSWORD, Person, World

ROUNDS = range(4)


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(roles=["admin"])


def at_once(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_of_invitations_of_one_address_at_once_one_is_made(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    email = world.address()
    answers = at_once(*[partial(invite, asgi, admin, email)] * 8)
    assert statuses(answers) == {201: 1, 409: 7}
    assert len(world.mails(email)) == 1


def test_of_twenty_who_accept_at_once_one_gets_the_account(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path, email = invited(asgi, world, admin)
    token = world.mails(email)[0].token

    def accept_as(number: int) -> Callable[[], httpx.Response]:
        body = {"token": token, "password": f"{PASSWORD} {number}", "name": str(number)}
        return partial(asgi.post, "/v1/auth/invitations/accept", json=body)

    answers = at_once(*(accept_as(number) for number in range(20)))
    assert statuses(answers) == {200: 1, 400: 19}
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert world.scalar("select name from users where id = :id", id=id_of(path)) == str(winner)
    body = {"email": email, "password": f"{PASSWORD} {winner}"}
    assert asgi.post("/v1/auth/login", json=body).status_code == 200
    assert world.audit(id_of(path)).count(("invitation.accepted", "success")) == 1


def test_an_invitation_is_accepted_or_revoked_and_never_both(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    for _ in ROUNDS:
        path, email = invited(asgi, world, admin)
        token = world.mails(email)[0].token
        accepted, revoked = at_once(
            partial(accept, asgi, token),
            partial(asgi.delete, f"{path}/invitation", headers=admin.headers),
        )
        state = [row.state for row in world.rows("select state from users where id = :id", id=id_of(path))]
        told = (accepted.status_code, revoked.status_code, state)
        assert told in ((200, 409, ["active"]), (400, 204, []))


def test_a_link_is_accepted_or_replaced_and_never_both(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    for _ in ROUNDS:
        path, email = invited(asgi, world, admin)
        token = world.mails(email)[0].token
        accepted, resent = at_once(
            partial(accept, asgi, token),
            partial(asgi.post, f"{path}/invitation", headers=admin.headers),
        )
        assert (accepted.status_code, resent.status_code) in ((200, 409), (400, 200))
        newest = world.mails(email)[-1].token
        assert accept(asgi, newest).status_code == (400 if accepted.status_code == 200 else 200)


def test_links_that_are_sent_again_at_once_leave_one_that_works(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    path, email = invited(asgi, world, admin)
    answers = at_once(*[partial(asgi.post, f"{path}/invitation", headers=admin.headers)] * 4)
    assert statuses(answers) == {200: 4}
    live = "select count(*) from one_time_tokens where user_id = :id and spent_at is null"
    assert world.scalar(live, id=id_of(path)) == 1
    tokens = [mail.token for mail in world.mails(email)]
    assert Counter(accept(asgi, token).status_code for token in tokens) == {200: 1, 400: 4}


def test_an_invitation_is_accepted_or_its_address_verified_and_never_both(
    asgi: httpx.Client, world: World, admin: Person
) -> None:
    for _ in ROUNDS:
        path, email = invited(asgi, world, admin)
        asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
        invitation, verification = (mail.token for mail in world.mails(email))
        answers = at_once(
            partial(accept, asgi, invitation),
            partial(asgi.post, "/v1/auth/verify-email", json={"token": verification}),
        )
        assert statuses(answers) == {200: 1, 400: 1}
        assert world.scalar("select state from users where id = :id", id=id_of(path)) == "active"
