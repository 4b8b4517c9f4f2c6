"""What an invocation gave, of a function that answers and of one that streams."""

import json

import pytest

from infra.deploy.answers import read_answer

HEAD = {"statusCode": 200, "headers": {"content-type": "application/json"}, "cookies": []}


@pytest.mark.parametrize("told", [{"statusCode": 200, "body": "{}"}, {"batchItemFailures": []}, None, "x"])
def test_an_answer_is_its_json(told: object) -> None:
    assert read_answer(json.dumps(told).encode()) == told


def test_no_payload_is_nothing() -> None:
    assert read_answer(b"") is None


def test_a_stream_is_a_head_and_its_body() -> None:
    payload = json.dumps(HEAD).encode() + bytes(8) + b'{"state":"ok"}'
    assert read_answer(payload) == {**HEAD, "body": '{"state":"ok"}'}
