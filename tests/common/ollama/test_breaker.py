"""While Ollama is away nobody waits to hear so; once it is back, it is asked again without a restart."""

import threading

import httpx
import pytest

from common import metrics
from common.ollama import ModelFailed, ModelNotFound, ModelServerDown, ModelTooSlow, breakers
from common.ollama.breakers import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PROBE_SECONDS,
    Breaker,
    breaker,
)
from tests.functions.ai.sse import PATH, asking
from tests.support.ollama import FakeOllama
from tests.support.world import World


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(breakers, "time", made)
    return made


def fail(one: Breaker, error: type[Exception] = ModelServerDown) -> None:
    with pytest.raises(error), one.attempt():
        raise error


def opened(clock: Clock) -> Breaker:
    one = Breaker()
    for _ in range(FAILURES):
        fail(one)
    return one


def state(one: Breaker) -> str:
    return one.state


def refusal(one: Breaker) -> str:
    """The `Retry-After` of who is refused at once."""
    with pytest.raises(ModelServerDown) as refused, one.attempt():
        pytest.fail("it let somebody through")
    return refused.value.headers["Retry-After"]


def answer(one: Breaker) -> None:
    with one.attempt():
        pass


def test_so_many_failures_in_a_row_open_it_and_it_says_for_how_long(clock: Clock) -> None:
    one = Breaker()
    for error in (ModelServerDown, ModelTooSlow, ModelServerDown, ModelTooSlow):
        fail(one, error)
    assert state(one) == "closed"
    fail(one)
    assert state(one) == "open"
    assert refusal(one) == f"{FIRST_PAUSE_SECONDS:g}"
    clock.now += 0.5
    assert refusal(one) == "2"
    clock.now += 0.6
    assert refusal(one) == "1"


def test_failures_that_are_not_in_a_row_do_not(clock: Clock) -> None:
    one = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            fail(one)
        answer(one)
    assert state(one) == "closed"


@pytest.mark.parametrize("error", [ModelNotFound, ModelFailed])
def test_what_a_model_or_a_request_does_wrong_speaks_for_ollama(clock: Clock, error: type[Exception]) -> None:
    one = Breaker()
    for _ in range(FAILURES - 1):
        fail(one)
    fail(one, error)
    fail(one)
    assert state(one) == "closed"


def test_what_tells_nothing_about_ollama_changes_nothing(clock: Clock) -> None:
    one = Breaker()
    for _ in range(FAILURES * 2):
        with pytest.raises(GeneratorExit), one.attempt():
            raise GeneratorExit
        stranger = ModelServerDown()
        stranger.counts = False
        with pytest.raises(ModelServerDown), one.attempt():
            raise stranger
    assert state(one) == "closed"


def test_after_its_pause_one_is_let_through_and_closes_it(clock: Clock) -> None:
    one = opened(clock)
    clock.now += FIRST_PAUSE_SECONDS
    assert state(one) == "half_open"
    with one.attempt():
        assert refusal(one) == "1"
    assert state(one) == "closed"
    answer(one)


def test_one_that_fails_opens_it_for_twice_as_long_up_to_a_bound(clock: Clock) -> None:
    one = opened(clock)
    pauses = []
    for _ in range(8):
        clock.now += one.seconds_left
        fail(one)
        pauses.append(one.seconds_left)
    assert pauses[:2] == [FIRST_PAUSE_SECONDS * 2, FIRST_PAUSE_SECONDS * 4]
    assert pauses[-2:] == [LONGEST_PAUSE_SECONDS] * 2
    clock.now += one.seconds_left
    answer(one)
    for _ in range(FAILURES):
        fail(one)
    assert one.seconds_left == FIRST_PAUSE_SECONDS


def test_one_that_goes_away_gives_its_place_to_the_next(clock: Clock) -> None:
    one = opened(clock)
    clock.now += FIRST_PAUSE_SECONDS
    with pytest.raises(GeneratorExit), one.attempt():
        raise GeneratorExit
    answer(one)
    assert state(one) == "closed"


def test_one_that_takes_long_does_not_keep_all_others_out(clock: Clock) -> None:
    one = opened(clock)
    clock.now += FIRST_PAUSE_SECONDS
    with one.attempt():
        clock.now += PROBE_SECONDS
        answer(one)
    assert state(one) == "closed"


def test_those_that_were_under_way_do_not_make_it_longer(clock: Clock) -> None:
    one = opened(clock)
    left = one.seconds_left
    one._failed(counts=True)
    assert one.seconds_left == left


def test_of_many_threads_one_is_let_through(clock: Clock) -> None:
    one = opened(clock)
    clock.now += FIRST_PAUSE_SECONDS
    start, end = threading.Barrier(20), threading.Event()
    let_through: list[int] = []
    refused: list[int] = []

    def ask(number: int) -> None:
        start.wait(10)
        try:
            with one.attempt():
                let_through.append(number)
                end.wait(10)
        except ModelServerDown:
            refused.append(number)
            if len(refused) == 19:
                end.set()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(let_through), len(refused)) == (1, 19)


def test_a_server_that_is_away_is_not_asked_and_is_found_again_by_itself(
    asgi: httpx.Client, world: World, ollama: FakeOllama, clock: Clock
) -> None:
    headers = world.person().headers
    for _ in range(FAILURES):
        away = asgi.post(PATH, json=asking("hello", "gone"), headers=headers)
        assert away.json()["error"]["code"] == "model_server_unavailable"
    asked = len(ollama.calls)
    refused = asgi.post(PATH, json=asking("hello"), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_server_unavailable")
    assert refused.headers["retry-after"] == f"{FIRST_PAUSE_SECONDS:g}"
    assert asgi.get("/v1/ai/models", headers=headers).status_code == 503
    assert asgi.post(PATH, json=asking("hello", stream=True), headers=headers).status_code == 503
    assert len(ollama.calls) == asked
    assert "lambkin_ollama_breaker 2" in metrics.render()
    clock.now += FIRST_PAUSE_SECONDS
    assert "lambkin_ollama_breaker 1" in metrics.render()
    assert asgi.post(PATH, json=asking("hello"), headers=headers).status_code == 200
    assert breaker().state == "closed"
    assert "lambkin_ollama_breaker 0" in metrics.render()


def test_readiness_tells_that_it_answers_and_is_not_asked(
    asgi: httpx.Client, world: World, ollama: FakeOllama, clock: Clock
) -> None:
    from common.health import ProbeFailed
    from common.ollama import ollama_probe

    ollama_probe().check()
    for _ in range(FAILURES):
        fail(breaker())
    with pytest.raises(ProbeFailed, match=r"It answers, but .* in 2 s"):
        ollama_probe().check()
