"""Signing keys: published, signing, retired, revoked; seen from what signs and from what verifies."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from common import tokens
from common.ids import new_id
from common.tokens import KEYS_SECONDS, SIGNER_SECONDS, forget_tokens, seconds_after_retirement
from functions.auth import rotation
from functions.auth.key_set import MAX_AGE_SECONDS
from functions.auth.signing import ensure_signing_key, forget_signing_key
from tests.support.world import Person, World


@pytest.fixture
def keys(world: World) -> Iterator[World]:
    """A world with one key, which signs."""
    _begin_anew(world)
    world.person()
    yield world
    _begin_anew(world)


def _begin_anew(world: World) -> None:
    world.run("delete from signing_keys")
    forget_signing_key()
    forget_tokens()


def rotate(world: World, *, at_once: bool = False) -> rotation.Successor:
    with Session(world.engine) as session, session.begin():
        return rotation.rotate(session, at_once=at_once)


def revoke(world: World, kid: str) -> rotation.Successor | None:
    with Session(world.engine) as session, session.begin():
        return rotation.revoke(session, kid)


def states(world: World) -> list[str]:
    with Session(world.engine) as session:
        return [life.state for life in rotation.list_keys(session)]


def let_pass(world: World, seconds: float) -> None:
    """As if so much time had passed for the keys; a process' memory is older than SIGNER_SECONDS."""
    world.run(
        "update signing_keys set active_at = active_at - make_interval(secs => :seconds), "
        "retired_at = retired_at - make_interval(secs => :seconds)",
        seconds=seconds,
    )
    forget_signing_key()


def kid_of(person: Person) -> str:
    return str(jwt.get_unverified_header(person.access_token)["kid"])


def key_set(api: httpx.Client) -> list[str]:
    answer = api.get("/v1/auth/.well-known/jwks.json")
    assert answer.headers["cache-control"] == f"public, max-age={MAX_AGE_SECONDS}"
    return [key["kid"] for key in answer.json()["keys"]]


def status(api: httpx.Client, person: Person) -> int:
    return api.get("/v1/users/me", headers=person.headers).status_code


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The clocks of `common.tokens` are ahead by so much."""
    clocks = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=lambda: time.monotonic() + seconds)
    monkeypatch.setattr(tokens, "time", clocks)


def test_a_key_lives_through_its_states_by_the_clock_alone(keys: World, asgi: httpx.Client) -> None:
    before = keys.person()
    successor = rotate(keys)
    assert states(keys) == ["signs", "next"]
    assert key_set(asgi) == [kid_of(before), str(successor.id)]
    assert kid_of(keys.person()) == kid_of(before)

    let_pass(keys, rotation.PUBLISHED_AHEAD.total_seconds() + 1)
    assert states(keys) == ["verifies", "signs"]
    after = keys.person()
    assert kid_of(after) == str(successor.id)
    forget_tokens()
    assert [status(asgi, person) for person in (before, after)] == [200, 200]

    let_pass(keys, seconds_after_retirement() - 5)
    assert key_set(asgi) == [kid_of(before), str(successor.id)]
    let_pass(keys, 5)
    assert states(keys) == ["gone", "signs"]
    assert key_set(asgi) == [str(successor.id)]


def test_a_key_is_published_until_every_cache_has_it_and_until_its_last_token_has_expired() -> None:
    published_ahead = rotation.PUBLISHED_AHEAD.total_seconds()
    assert published_ahead > MAX_AGE_SECONDS + KEYS_SECONDS
    life = 600
    assert seconds_after_retirement() > SIGNER_SECONDS + life + tokens._LEEWAY_SECONDS


def test_a_second_rotation_is_refused_while_a_key_waits_and_now_has_that_one_sign(keys: World) -> None:
    waiting = rotate(keys)
    with pytest.raises(rotation.RotationUnderWay, match=str(waiting.id)):
        rotate(keys)
    assert rotate(keys, at_once=True).id == waiting.id
    assert states(keys) == ["verifies", "signs"]


@pytest.mark.parametrize("at_once", [False, True])
def test_of_rotations_at_once_no_two_keys_sign(keys: World, *, at_once: bool) -> None:
    def attempt(_: int) -> rotation.Successor | None:
        try:
            return rotate(keys, at_once=at_once)
        except rotation.RotationUnderWay:
            return None

    with ThreadPoolExecutor(5) as threads:
        made = [successor for successor in threads.map(attempt, range(10)) if successor]
    assert len({successor.id for successor in made}) == len(made)
    assert len(made) == (10 if at_once else 1)
    unbounded = keys.scalar("select count(*) from signing_keys where retired_at is null")
    assert unbounded == 1
    assert keys.scalar("select count(*) from signing_keys") == 1 + len(made)


def test_the_first_key_needs_no_wait(keys: World) -> None:
    keys.run("delete from signing_keys")
    assert rotate(keys).at_once
    assert states(keys) == ["signs"]


def test_several_keys_without_an_end_are_put_right_by_a_rotation(keys: World) -> None:
    rotate(keys, at_once=True)
    keys.run("update signing_keys set retired_at = null")
    rotate(keys)
    assert keys.scalar("select count(*) from signing_keys where retired_at is null") == 1


def test_the_private_half_of_a_retired_key_goes_with_the_next_rotation(keys: World) -> None:
    rotate(keys)
    assert keys.scalar("select count(*) from signing_secrets") == 2
    let_pass(keys, rotation.PUBLISHED_AHEAD.total_seconds() + 1)
    rotate(keys)
    assert keys.scalar("select count(*) from signing_secrets") == 2
    assert keys.scalar("select count(*) from signing_keys") == 3


def test_a_key_that_signs_at_once_is_known_to_a_function_that_has_just_read_the_keys(
    keys: World, asgi: httpx.Client
) -> None:
    for _ in range(3):
        assert status(asgi, keys.person()) == 200
        rotate(keys, at_once=True)
        forget_signing_key()
        assert status(asgi, keys.person()) == 200


def test_a_stream_of_unknown_young_keys_costs_few_readings(
    keys: World, asgi: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = keys.person()
    assert status(asgi, person) == 200
    now = time.monotonic()
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=time.time, monotonic=lambda: now))
    readings = tokens.verification_keys._readings
    before = len(readings)
    for _ in range(30):
        forged = jwt.encode({}, Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": str(new_id())})
        assert asgi.get("/v1/users/me", headers={"Authorization": f"Bearer {forged}"}).status_code == 401
    assert before < len(readings) == tokens._YOUNG_READINGS
    assert tokens.verification_keys.needs_reading(str(new_id())) is False
    assert status(asgi, person) == 200


def test_a_revoked_key_is_refused_in_time_also_where_its_token_is_remembered(
    keys: World, asgi: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = keys.person()
    assert status(asgi, person) == 200
    successor = revoke(keys, kid_of(person))
    assert successor is not None
    assert key_set(asgi) == [str(successor.id)]
    later(monkeypatch, KEYS_SECONDS + 0.1)
    assert status(asgi, person) == 401
    forget_signing_key()
    signed_in_again = keys.person()
    assert kid_of(signed_in_again) == str(successor.id)
    assert status(asgi, signed_in_again) == 200


def test_a_remembered_token_outlives_a_new_look_at_the_keys(
    keys: World, asgi: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = keys.person()
    assert status(asgi, person) == 200
    later(monkeypatch, KEYS_SECONDS + 0.1)
    assert status(asgi, person) == 200
    assert person.access_token in tokens._verified


def test_a_process_sees_a_rotation_within_the_seconds_that_it_remembers_its_key(
    keys: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys.person()
    successor = rotate(keys, at_once=True)
    assert kid_of(keys.person()) == kid_of(before)
    ahead = SimpleNamespace(monotonic=lambda: time.monotonic() + SIGNER_SECONDS)
    monkeypatch.setattr("functions.auth.signing.time", ahead)
    assert kid_of(keys.person()) == str(successor.id)


def test_the_key_that_waits_succeeds_one_that_is_revoked(keys: World) -> None:
    before = keys.person()
    waiting = rotate(keys)
    successor = revoke(keys, kid_of(before))
    assert successor is not None
    assert successor.id == waiting.id
    assert states(keys) == ["signs"]


def test_revoking_the_key_that_waits_leaves_the_present_one_signing(keys: World) -> None:
    waiting = rotate(keys)
    assert revoke(keys, str(waiting.id)) is None
    assert states(keys) == ["signs"]
    assert keys.scalar("select retired_at from signing_keys") is None
    rotate(keys)
    assert states(keys) == ["signs", "next"]


def test_revoking_a_retired_key_changes_nothing_else(keys: World) -> None:
    before = keys.person()
    rotate(keys, at_once=True)
    assert revoke(keys, kid_of(before)) is None
    assert states(keys) == ["signs"]
    with pytest.raises(rotation.UnknownSigningKey):
        revoke(keys, kid_of(before))


@pytest.mark.parametrize(
    "kid", ["", "nonsense", "01890a5d-ac96-774b-bcce-b302099a8057", "'; drop table users"]
)
def test_revoking_what_is_no_key_says_so(keys: World, kid: str) -> None:
    with pytest.raises(rotation.UnknownSigningKey):
        revoke(keys, kid)
    assert states(keys) == ["signs"]


def test_every_change_of_a_key_is_in_the_audit_log(keys: World) -> None:
    successor = rotate(keys)
    revoke(keys, str(successor.id))
    entries = keys.rows(
        "select action from audit_log where details->>'kid' = :kid order by id", kid=str(successor.id)
    )
    assert [entry.action for entry in entries] == ["signing_key.rotated", "signing_key.revoked"]


def test_a_process_that_begins_its_sign_in_before_a_revocation_makes_no_key_of_its_own(keys: World) -> None:
    before = keys.person()
    with Session(keys.engine) as session, session.begin():
        # The transaction is older than the successor.
        session.connection().exec_driver_sql("select now()")
        successor = revoke(keys, kid_of(before))
        forget_signing_key()
        ensure_signing_key(session)
    assert successor is not None
    assert keys.scalar("select count(*) from signing_keys") == 1


def test_times_are_shown_as_they_are_stored(keys: World) -> None:
    rotate(keys)
    with Session(keys.engine) as session:
        first, second = rotation.list_keys(session)
    assert first.retired_at == second.active_at
    assert first.published_until == second.active_at + timedelta(seconds=seconds_after_retirement())
    assert second.published_until is None
