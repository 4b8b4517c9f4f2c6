"""What docs/api-keys.md tells those who write scanners is so."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from common.api_keys import PATTERN, is_api_key, key_start, new_key
from common.ids import new_id
from infra.local.home import PROJECT

PAGE = (PROJECT / "docs" / "api-keys.md").read_text(encoding="utf-8")
TEXTS = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture
def is_lambkin_key() -> Callable[[str], bool]:
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)  # noqa: S102 - the page's own example
    found: Callable[[str], bool] = names["is_lambkin_key"]
    return found


def test_its_pattern_is_the_one_of_the_code() -> None:
    assert PATTERN in TEXTS


def test_its_example_is_a_key(is_lambkin_key: Callable[[str], bool]) -> None:
    found = re.findall(PATTERN, PAGE)
    assert len(found) == 1
    assert is_api_key(found[0])
    assert is_lambkin_key(found[0])


def test_its_checksum_is_the_one_of_the_code(is_lambkin_key: Callable[[str], bool]) -> None:
    for _ in range(100):
        key = new_key(new_id())
        assert is_lambkin_key(key)
        last = "1" if key[-1] == "0" else "0"
        for wrong in (key[:-1] + last, key.replace("lk_", "lk-"), key[:30] + key[31:] + "0"):
            assert is_lambkin_key(wrong) == is_api_key(wrong) is False


def test_what_it_calls_the_start_is_what_lists_show() -> None:
    key_id = new_id()
    assert new_key(key_id).rpartition("_")[0] == key_start(key_id)
    assert f"{len(new_key(key_id))} characters" in PAGE


def test_its_operations_are_there() -> None:
    from tests.contract.document import OPERATIONS

    named = {
        operation.replace("{id}", "{api_key_id}")
        for operation in re.findall(r"`((?:GET|POST|PATCH|DELETE) /v1/[^`]+)`", PAGE)
    }
    assert len(named) == 5
    assert named <= set(OPERATIONS)
