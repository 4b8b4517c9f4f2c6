"""Texts become vectors, as OpenAI's clients expect them."""

import base64
import math
import struct
from uuid import uuid4

import httpx
import pytest

from tests.support.ollama import FakeOllama
from tests.support.world import World

PATH = "/v1/ai/embeddings"


@pytest.fixture(scope="module")
def headers(world: World) -> dict[str, str]:
    return world.person().headers


def test_each_text_has_a_vector_in_its_place(
    everywhere: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    texts = ["The sky is blue.", "Der Himmel ist blau.", "✓"]
    body = everywhere.post(PATH, json={"model": "vectors", "input": texts}, headers=headers).json()
    assert (body["object"], body["model"]) == ("list", "vectors")
    assert [(each["object"], each["index"]) for each in body["data"]] == [
        ("embedding", at) for at in range(3)
    ]
    assert len({tuple(each["embedding"]) for each in body["data"]}) == 3
    assert all(math.isclose(math.hypot(*each["embedding"]), 1) for each in body["data"])
    assert body["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


def test_one_text_may_come_alone_and_vectors_packed(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    mark = uuid4().hex
    plain = asgi.post(PATH, json={"model": "vectors", "input": mark}, headers=headers).json()
    wanted = {"model": "vectors", "input": [mark], "encoding_format": "base64"}
    packed = asgi.post(PATH, json=wanted, headers=headers).json()
    vector = struct.unpack("<3f", base64.b64decode(packed["data"][0]["embedding"]))
    assert vector == pytest.approx(plain["data"][0]["embedding"], rel=1e-6)
    asked = ollama.asked(mark).body
    assert (asked["truncate"], asked["options"]) == (False, {"num_ctx": 8192})


def test_they_are_as_long_as_was_asked_for(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str]
) -> None:
    wanted = {"model": "vectors", "input": "hello", "dimensions": 2}
    [one] = asgi.post(PATH, json=wanted, headers=headers).json()["data"]
    assert len(one["embedding"]) == 2
    refused = asgi.post(PATH, json=wanted | {"dimensions": 4}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_refused")


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 257}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    asgi: httpx.Client, headers: dict[str, str], changed: dict[str, object], param: str
) -> None:
    refused = asgi.post(PATH, json={"model": "vectors", "input": "a"} | changed, headers=headers)
    assert refused.status_code == 422
    assert str(refused.json()["error"]["param"]).startswith(param)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nobody", 404, "model_not_found"),
        ("ada/poet:3b", 400, "model_refused"),
        ("crashed", 502, "model_failed"),
        ("html", 502, "model_failed"),
        ("busy", 503, "model_server_busy"),
    ],
)
def test_what_goes_wrong_is_told_as_in_a_chat(
    asgi: httpx.Client, ollama: FakeOllama, headers: dict[str, str], model: str, status: int, code: str
) -> None:
    refused = asgi.post(PATH, json={"model": model, "input": "a"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
