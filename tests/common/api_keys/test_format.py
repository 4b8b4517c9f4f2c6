"""A key is recognised by its looks alone."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.api_keys import PATTERN, is_api_key, key_start, new_key, public_id
from common.ids import new_id

KEY = new_key(new_id())


@given(st.uuids())
def test_a_key_names_its_id_and_is_recognised_offline(key_id: UUID) -> None:
    key = new_key(key_id)
    assert len(key) == 75
    assert key.startswith(f"{key_start(key_id)}_")
    assert is_api_key(key)
    assert public_id(key) == key_id


@pytest.mark.parametrize("key_id", [UUID(int=0), UUID(int=(1 << 128) - 1)])
def test_the_first_and_the_last_id_have_keys(key_id: UUID) -> None:
    assert public_id(new_key(key_id)) == key_id


def test_no_two_keys_of_one_id_are_alike() -> None:
    key_id = new_id()
    assert len({new_key(key_id) for _ in range(100)}) == 100


@given(st.integers(0, 74), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"))
def test_one_wrong_character_is_noticed_offline(place: int, character: str) -> None:
    wrong = f"{KEY[:place]}{character}{KEY[place + 1 :]}"
    assert is_api_key(wrong) == (wrong == KEY)


@given(st.text(max_size=200))
def test_any_text_is_judged_and_none_is_a_key(text: str) -> None:
    assert not is_api_key(text)
    assert public_id(f"lk_{text}") is None


WRONG: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "a prefix": lambda _: "lk_",
    "a part": lambda key: key[:-1],
    "more": lambda key: f"{key}0",
    "a line": lambda key: f"{key}\n",
    "a NUL": lambda key: f"{key}\x00",
    "a space": lambda key: f" {key}",
    "capitals": str.upper,
    "another prefix": lambda key: key.replace("lk_", "LK_"),
    "hyphens": lambda key: key.replace("_", "-"),
    "fullwidth digits": lambda _: f"lk_{'０' * 22}_{'0' * 49}",
    "Arabic digits": lambda _: f"lk_{'٣' * 22}_{'٣' * 49}",
    "superscript digits": lambda _: f"lk_{'²' * 22}_{'0' * 49}",
    "surrogates": lambda _: f"lk_{'\ud800' * 22}_{'0' * 49}",
    "75 characters": lambda _: "l" * 75,
    "ten million characters": lambda _: f"lk_{'0' * 10_000_000}",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_only_looks_like_a_key_is_none(what: str) -> None:
    text = WRONG[what](KEY)
    assert not is_api_key(text)
    assert public_id(text) is None


def test_an_id_beyond_128_bits_is_none() -> None:
    from common.api_keys import _checksum

    head = f"lk_{'z' * 22}_{'0' * 43}"
    key = head + _checksum(head)
    assert is_api_key(key)
    assert public_id(key) is None


@pytest.mark.parametrize(
    "line",
    ["KEY", "Authorization: Bearer KEY", '{"key":"KEY"}', "api_key=KEY", "https://a.example/?k=KEY&b=1"],
)
def test_a_scanner_finds_the_key_in_a_line(line: str) -> None:
    assert re.findall(PATTERN, line.replace("KEY", KEY)) == [KEY]


@pytest.mark.parametrize("line", ["xKEY", "KEYx", "_KEY", "KEY_", "lk_abc"])
def test_a_scanner_finds_no_key_in_a_longer_or_a_shorter_word(line: str) -> None:
    assert re.findall(PATTERN, line.replace("KEY", KEY)) == []
