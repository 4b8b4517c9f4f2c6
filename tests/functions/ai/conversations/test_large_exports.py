"""What is exported may be of any size: what is held of it at once is not."""

import json
import zlib
from typing import Final
from uuid import UUID

import httpx
import pytest

from common import personal_data as common_personal_data
from common.database import get_database
from common.ids import new_id
from functions.ai import exports, personal_data
from tests.functions.ai.conversations.counting import counted
from tests.functions.ai.conversations.talking import Talk, begin
from tests.support.world import World

MEGABYTE: Final = 1024 * 1024


@pytest.fixture
def talk(asgi: httpx.Client, world: World) -> Talk:
    return begin(asgi, world.person(), title="Long")


def said(world: World, talk: Talk, *sizes: int) -> list[str]:
    """The ids of a branch of messages, each with so many bytes of text, of which half are its reasoning."""
    ids: list[UUID] = []
    for depth, size in enumerate(sizes):
        parent = ids[-1] if ids else None
        ids.append(new_id())
        world.run(
            "insert into messages (id, conversation_id, owner_id, parent_id, depth, role, model, content,"
            " reasoning) values (:id, :talk, :owner, :parent, :depth, 'assistant', 'tiny:1b',"
            " repeat('c', :content), repeat('r', :reasoning))",
            id=ids[-1], talk=talk.id, owner=talk.person.id, parent=parent, depth=depth,
            content=size - size // 2, reasoning=size // 2,
        )  # fmt: skip
    world.run("update conversations set leaf_id = :leaf where id = :id", leaf=ids[-1], id=talk.id)
    return [str(each) for each in ids]


@pytest.mark.parametrize("kind", ["json", "markdown"])
def test_a_conversation_is_read_in_pages_of_about_a_megabyte(talk: Talk, world: World, kind: str) -> None:
    assert exports.SOME.octets == MEGABYTE
    # A page is full with the first message that reaches a megabyte; a large one has its own.
    ids = said(world, talk, *[MEGABYTE * 6 // 10] * 5, 3 * MEGABYTE, *[1000] * 150)
    with counted() as sent:
        answer = talk.api.get(f"{talk.path}/export", params={"format": kind}, headers=talk.headers)
    pages = [each for each in sent if "octet_length" in each]
    # Two, two, the fifth with the large one, a hundred and fifty small ones, and the end.
    assert len(pages) == 3 + 2 + 1
    if kind == "json":
        assert [each["id"] for each in answer.json()["messages"]] == ids
    else:
        assert answer.text.count("\n## ") == len(ids)
        assert answer.text.count("c") > 3 * MEGABYTE


def test_a_person_s_export_has_the_newest_in_so_many_bytes(talk: Talk, world: World) -> None:
    ids = said(world, talk, *[MEGABYTE] * 20)
    topics = get_database("ai").transaction(lambda each: personal_data.collect(each, talk.person.id))
    found = [str(each["id"]) for each in topics["messages"].content]
    assert found == ids[::-1][: len(found)]
    held = sum(len(each["content"]) + len(each["reasoning"]) for each in topics["messages"].content)
    assert personal_data.MOST_BYTES - MEGABYTE <= held <= personal_data.MOST_BYTES + MEGABYTE
    packed = common_personal_data._pack(topics)
    assert len(json.loads(zlib.decompress(packed))["messages"]["content"]) == len(found)


def test_and_no_more_conversations_than_have_so_many(
    talk: Talk, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_data, "MOST_BYTES", 50_000)
    newer = [begin(talk.api, talk.person, system="s" * 20_000).id for _ in range(4)]
    topics = get_database("ai").transaction(lambda each: personal_data.collect(each, talk.person.id))
    assert [str(each["id"]) for each in topics["conversations"].content] == newer[:0:-1]
