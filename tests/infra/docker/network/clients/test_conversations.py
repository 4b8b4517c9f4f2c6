"""The page that talks to a model, in a real browser: answers that outlive a reload and a lost connection."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.infra.docker.network.clients.conftest import Person, Someone
from tests.support.browser import Pages, Traffic
from tests.support.network import Network
from tests.support.ollama import Call, FakeOllama
from tests.support.waiting import eventually

LOST: Final = "The connection is lost. It goes on by itself."
# Two sonnets, no line of which is another's; what they say comes a word at a time.
RECITAL: Final = """\
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance, or nature's changing course, untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
   So long as men can breathe or eyes can see,
   So long lives this, and this gives life to thee.

Let me not to the marriage of true minds
Admit impediments. Love is not love
Which alters when it alteration finds,
Or bends with the remover to remove:
O no! it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wandering bark,
Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks
Within his bending sickle's compass come:
Love alters not with his brief hours and weeks,
But bears it out even to the edge of doom.
   If this be error and upon me prov'd,
   I never writ, nor no man ever lov'd. <b>& so on</b> – 🌞
"""
WORDS: Final = len(RECITAL.split())
_ENDED: Final = """
const stop = document.getElementById("stop");
const look = () => stop.hidden && (window.endedAt ??= Date.now());
new MutationObserver(look).observe(stop, { attributes: true });
"""
_CLICKED: Final = """
const stop = document.getElementById("stop");
stop.addEventListener("click", () => (window.clickedAt = Date.now()), { capture: true });
"""


class Talk:
    """A conversation as somebody has it before the page, and as the model has it."""

    def __init__(self, person: Person, someone: Someone, ollama: FakeOllama) -> None:
        self.person = person
        self.traffic = Traffic(person.browser)
        self._someone = someone
        self._ollama = ollama

    def choose(self, model: str, *, think: bool = False) -> None:
        """Say whom to ask."""
        option = f"//select[@id='model']/option[.='{model}']"
        eventually(lambda: self.person.browser.find_elements("xpath", option), 20)[0].click()
        if think:
            self.person.part("think").click()

    def say(self, text: str) -> str:
        """Say it, with a mark to know it by."""
        said = f"{text} ({uuid4().hex[:8]})"
        self.person.part("words").send_keys(said + "\n")
        return said

    def asked(self, said: str) -> Call:
        """What the model was asked, once it was."""
        return self._ollama.asked(said)

    def shown(self, where: str = ".answered .words") -> str:
        """The text of the last answer, as the page has it."""
        last = f"return [...document.querySelectorAll({where!r})].at(-1)?.textContent ?? ''"
        return str(self.person.browser.execute_script(last))

    def words(self) -> int:
        """How many words of it there are."""
        return len(self.shown().split())

    def has(self, words: int) -> None:
        """Wait until so many are there."""
        eventually(lambda: self.words() >= words, 30)

    def ends(self) -> str:
        """What is told of the answer when it has ended."""
        eventually(lambda: self.shown(".usage") and not self.person.part("stop").is_displayed(), 30)
        return self.shown(".usage")

    def stored(self) -> list[dict[str, Any]]:
        """The messages, as the API has them."""
        path = f"/v1/ai/conversations/{self.person.browser.current_url.partition('#')[2]}/messages"
        return list(self._someone.client.get(path).json()["items"])

    def delete(self) -> None:
        """Have the conversation deleted elsewhere."""
        path = f"/v1/ai/conversations/{self.person.browser.current_url.partition('#')[2]}"
        assert self._someone.client.delete(path).status_code == 204

    def asked_for_the_rest(self) -> list[str]:
        """After which events the page has asked for those that it lacked."""
        asked = [each for each in self.traffic.all() if each.method == "GET" and each.url.endswith("/events")]
        return [each.headers.get("Last-Event-ID", "") for each in asked]

    def was_let_in(self) -> bool:
        """Whether the browser has asked if a page of this origin may go on."""
        asked = [each for each in self.traffic.all() if each.method == "OPTIONS"]
        return any(each.url.endswith("/events") and each.status == 200 for each in asked)

    def sent(self) -> list[int]:
        """The statuses of the requests by which the page said something."""
        said = [
            each for each in self.traffic.all() if each.method == "POST" and each.url.endswith("/messages")
        ]
        return [each.status for each in said]


@pytest.fixture
def talk(
    person: Person, someone: Someone, frontend: Pages, address: str, ollama_server: FakeOllama
) -> Iterator[Talk]:
    """Somebody has signed in at the page, which calls the gateway from another origin."""
    ollama_server.recital = RECITAL
    ollama_server.administered.pulled |= {"unhurried", "dying"}
    assert frontend.origin != address
    person.browser.get(f"{frontend.origin}/chat/")
    person.sign_in(someone)
    person.sees("talk")
    # What is not throttled at all is not cut off either.
    person.connect(there=True)
    yield Talk(person, someone, ollama_server)
    for call in ollama_server.calls:
        call.go_on.set()


def _is_whole(talk: Talk) -> None:
    """Every word is there once, in its order, on the page as in the API."""
    assert talk.shown() == RECITAL
    assert talk.stored()[-1]["content"] == RECITAL


def test_a_page_that_is_reloaded_in_the_middle_sees_the_rest(talk: Talk) -> None:
    talk.choose("unhurried", think=True)
    talk.person.photograph("chat-begin")
    said = talk.say("Recite two sonnets, please.")
    talk.has(60)
    talk.person.photograph("chat-streaming")
    before = talk.shown()
    assert talk.asked(said).said < WORDS
    talk.person.browser.refresh()
    eventually(lambda: len(talk.shown()) > len(before), 20)
    assert RECITAL.startswith(talk.shown())
    assert talk.person.part("stop").is_displayed()
    talk.person.photograph("chat-reloaded")
    assert not talk.asked(said).go_on.is_set()
    talk.asked(said).go_on.set()
    assert f"7 tokens read, {WORDS} said" in talk.ends()
    _is_whole(talk)
    [last] = talk.asked_for_the_rest()
    assert int(last.partition(":")[2]) >= 60
    assert talk.was_let_in()
    assert talk.sent() == [200]
    _thoughts_are_folded(talk)
    talk.person.browser.refresh()
    assert f"7 tokens read, {WORDS} said" in talk.ends()
    _is_whole(talk)
    # The title that the model gives it.
    eventually(lambda: talk.person.part("list").text == "Shall I compare thee to a summer's day?", 20)
    talk.person.photograph("chat-ended")
    talk.person.browser.set_window_size(420, 800)
    talk.person.photograph("chat-narrow")


def _thoughts_are_folded(talk: Talk) -> None:
    thoughts = talk.person.browser.find_element("css selector", ".thoughts")
    assert thoughts.text == "Thoughts"
    thoughts.find_element("tag name", "summary").click()
    assert talk.shown(".thoughts .text") == "Hm."
    assert "Hm." in thoughts.text


def test_another_tab_hears_all_of_it_and_stops_it_within_a_second(talk: Talk, frontend: Pages) -> None:
    browser = talk.person.browser
    talk.choose("unhurried")
    said = talk.say("Recite two sonnets, please.")
    talk.has(5)
    browser.execute_script(_ENDED)
    first = browser.current_window_handle
    url = browser.current_url
    browser.switch_to.new_window("tab")
    browser.get(url)
    talk.has(60)
    assert RECITAL.startswith(talk.shown())
    assert talk.asked_for_the_rest()[-1] == ""
    talk.person.photograph("chat-second-tab")
    browser.execute_script(_CLICKED)
    talk.person.part("stop").click()
    assert talk.asked(said).gone.wait(5)
    assert "Stopped." in talk.ends()
    clicked, shown = browser.execute_script("return window.clickedAt"), talk.shown()
    browser.switch_to.window(first)
    assert "Stopped." in talk.ends()
    assert browser.execute_script("return window.endedAt") - clicked < 1000
    assert talk.shown() == shown == talk.stored()[-1]["content"]
    assert RECITAL.startswith(shown)


def test_a_lost_connection_is_made_up_for_without_anybody_doing_anything(talk: Talk) -> None:
    talk.choose("unhurried")
    said = talk.say("Recite two sonnets, please.")
    talk.has(40)
    talk.person.connect(there=False)
    talk.person.reads(LOST)
    talk.person.photograph("chat-lost")
    before = talk.shown()
    assert RECITAL.startswith(before)
    call = talk.asked(said)
    heard = call.said
    eventually(lambda: call.said > heard + 30)
    assert talk.shown() == before
    talk.person.connect(there=True)
    eventually(lambda: len(talk.shown()) > len(before))
    call.go_on.set()
    talk.ends()
    _is_whole(talk)
    assert talk.sent() == [200]
    assert LOST not in talk.person.part("status").text


def test_a_gateway_that_is_killed_costs_no_word(talk: Talk, network: Network) -> None:
    talk.choose("unhurried")
    said = talk.say("Recite two sonnets, please.")
    talk.has(40)
    gateway = network.processes.pop("backend")
    gateway.kill()
    gateway.wait(10)
    talk.person.reads(LOST)
    network.start_gateway()
    talk.asked(said).go_on.set()
    talk.ends()
    _is_whole(talk)
    assert [status for status in talk.sent() if status] == [200]


def test_what_is_said_while_nothing_can_be_sent_is_said_once(talk: Talk) -> None:
    talk.choose("tiny:1b")
    talk.say("say 3")
    talk.ends()
    talk.person.connect(there=False)
    talk.say("say 4")
    talk.person.reads(LOST)
    talk.person.connect(there=True)
    eventually(lambda: talk.words() == 4, 30)
    talk.ends()
    assert [message["role"] for message in talk.stored()] == ["user", "assistant"] * 2


def test_an_answer_that_fails_keeps_its_words_and_says_why_in_a_sentence(talk: Talk) -> None:
    talk.choose("dying")
    talk.say("say 9")
    failure = eventually(lambda: talk.shown(".failure"), 20)
    assert failure == talk.stored()[-1]["problem"]["detail"]
    assert talk.shown() == talk.stored()[-1]["content"] == "w0 w1 "
    talk.person.photograph("chat-failed")
    talk.person.browser.refresh()
    eventually(lambda: talk.shown(".failure") == failure, 20)
    assert talk.person.part("send").is_displayed()


def test_words_that_were_refused_are_there_to_be_sent_again(talk: Talk) -> None:
    talk.choose("tiny:1b")
    talk.say("say 3")
    talk.ends()
    talk.delete()
    said = talk.say("say 4")
    eventually(lambda: talk.person.part("words").get_attribute("value") == said)
    talk.person.reads("There is nothing here.")
    assert talk.words() == 3
