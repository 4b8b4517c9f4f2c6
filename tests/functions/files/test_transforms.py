"""Pictures in the size that is asked for: made once, then found."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, tzinfo
from io import BytesIO
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image

from common.database import get_database
from functions.files import public_images, transforms
from functions.files.problems import NoPicture
from functions.files.verification import verify
from tests.functions.files.calls import TEXT, Client
from tests.functions.files.conftest import Bucket
from tests.functions.files.pictures import jpeg
from tests.support.world import World


@pytest.fixture
def photograph(client: Client) -> dict[str, Any]:
    file = client.file(jpeg(480, 320), "beach.jpg", "image/jpeg")
    client.run_jobs()
    return client.read(file)


def ask(client: Client, file: dict[str, Any], accept: str = "image/webp,*/*", **query: Any) -> httpx.Response:
    return client.call("GET", f"/{file['id']}/image", params=query, headers={"accept": accept})


def shown(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 302, answer.text
    return Image.open(BytesIO(httpx.get(answer.headers["location"]).content))


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({"w": 300}, (300, 200)),
        ({"h": 100}, (150, 100)),
        ({"w": 200, "h": 200, "fit": "cover"}, (200, 200)),
        ({"w": 200, "h": 200, "fit": "inside"}, (200, 133)),
        ({"w": 100, "dpr": 2}, (200, 133)),
        ({"w": 99}, (99, 66)),
        ({"w": 90, "h": 43, "fit": "inside"}, (64, 43)),
        ({"w": 80, "h": 80, "fit": "contain"}, (80, 80)),
        ({"w": 5000 // 2}, (480, 320)),
    ],
)
def test_a_picture_has_the_size_that_was_asked_for(
    client: Client, photograph: dict[str, Any], query: dict[str, Any], size: tuple[int, int]
) -> None:
    assert shown(ask(client, photograph, **query)).size == size


def test_a_small_picture_is_made_of_a_rendition(
    client: Client, photograph: dict[str, Any], bucket: Bucket, world: World
) -> None:
    key = world.scalar("select object_key from file_contents")
    bucket.s3.delete_object(Bucket=bucket.name, Key=key)
    assert shown(ask(client, photograph, w=100, h=80, fit="cover")).size == (100, 80)
    assert ask(client, photograph, w=300).status_code == 503, "larger ones are made of the original"


def test_pictures_of_a_very_large_one_are_made_of_its_largest_rendition(
    client: Client, photograph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms, "_MOST_BYTES", photograph["size"] - 1)
    largest = photograph["image"]["renditions"][-1]
    assert shown(ask(client, photograph, w=60)).size == (60, 40)
    assert shown(ask(client, photograph, w=4096)).size == (largest["width"], largest["height"])


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("image/avif,image/webp,*/*", {}, "WEBP"),
        ("*/*", {}, "JPEG"),
        ("text/html", {}, "JPEG"),
        ("image/webp;q=0, */*", {}, "JPEG"),
        ("*/*, Image/WebP; q=0.5", {}, "WEBP"),
        ("*/*", {"format": "png"}, "PNG"),
        ("*/*", {"format": "avif"}, "AVIF"),
    ],
)
def test_the_format_is_one_that_the_client_shows(
    client: Client, photograph: dict[str, Any], accept: str, query: dict[str, Any], expected: str
) -> None:
    answer = ask(client, photograph, accept, w=64, **query)
    assert shown(answer).format == expected
    assert "Accept" in answer.headers["vary"]


def test_the_same_picture_is_made_once(client: Client, photograph: dict[str, Any], bucket: Bucket) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ask(client, photograph, w=333), range(20)))
    assert {answer.status_code for answer in answers} == {302}
    assert len([key for key in bucket.keys() if "/t-" in key]) == 1  # noqa: SIM118 - a method of ours


ASKING = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, tzinfo
import httpx
from tests.support.transports import AsgiTransport
path, headers = sys.argv[1], {"Authorization": "Bearer " + os.environ["TOKEN"]}
with httpx.Client(transport=AsgiTransport(), base_url="http://backend:8000", headers=headers) as client:
    with ThreadPoolExecutor(17) as pool:
        print(json.dumps({"statuses": list(pool.map(lambda _: client.get(path).status_code, range(17)))}))
"""


def test_of_many_processes_one_makes_it(client: Client, photograph: dict[str, Any], bucket: Bucket) -> None:
    command = [sys.executable, "-c", ASKING, f"/v1/files/{photograph['id']}/image?w=444"]
    environment = os.environ | {"TOKEN": client.person.access_token}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    lines = [json.loads(line) for each in running for line in each.communicate(timeout=60)[0].splitlines()]
    statuses = [status for line in lines for status in line.get("statuses", [])]
    assert statuses == [302] * 51
    assert sum(line.get("event") == "picture_made" for line in lines) == 1


def test_a_picture_that_is_there_is_found_by_two_statements_and_counts_towards_no_limit(
    client: Client, photograph: dict[str, Any], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(client, photograph, w=71)
    counted = world.rows("select * from rate_limits order by digest")
    capsys.readouterr()
    assert ask(client, photograph, w=71).status_code == 302
    [line] = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"request"' in each]
    assert line["statements"] == 2
    assert world.rows("select * from rate_limits order by digest") == counted


def test_who_waits_too_long_is_told_when_to_come_again(
    client: Client, photograph: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(transforms, "_busy", [None] * transforms._AT_A_TIME)
    answer = ask(client, photograph, w=50)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    monkeypatch.setattr(transforms, "_busy", [])
    assert ask(client, photograph, w=50).status_code == 302, "it is nobody's any more"


def test_what_its_maker_left_behind_is_made_by_the_next(
    client: Client, photograph: dict[str, Any], world: World
) -> None:
    ask(client, photograph, w=70)
    world.run(
        "update stored_objects set state = 'pending', claimed_until = now() - interval '1 second'"
        " where key like '%/t-%'"
    )
    assert shown(ask(client, photograph, w=70)).size[0] == 70


def test_one_file_has_only_so_many_pictures(
    client: Client, photograph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transforms, "MOST_OF_A_FILE", 2)
    answers = [ask(client, photograph, w=width) for width in (11, 12, 13, 14)]
    assert [answer.status_code for answer in answers] == [302, 302, 409, 409]
    assert answers[3].json()["code"] == "too_many_pictures"
    assert ask(client, photograph, w=11).status_code == 302


def test_pictures_go_with_their_file(client: Client, photograph: dict[str, Any], bucket: Bucket) -> None:
    ask(client, photograph, w=100)
    client.call("DELETE", f"/{photograph['id']}?permanently=true")
    client.run_jobs()
    assert bucket.keys() == []
    assert verify(get_database("files"), fix=False, progress=lambda _: None).agrees


def test_a_picture_of_a_file_that_is_deleted_meanwhile_goes_with_it(
    client: Client, photograph: dict[str, Any], bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = transforms._make

    def delete_and_make(*arguments: Any) -> None:
        client.call("DELETE", f"/{photograph['id']}?permanently=true")
        make(*arguments)

    monkeypatch.setattr(transforms, "_make", delete_and_make)
    answer = ask(client, photograph, w=100)
    assert answer.status_code in (404, 503)
    monkeypatch.setattr(transforms, "_make", make)
    client.run_jobs()
    assert [key for key in bucket.keys() if "/t-" in key] == []  # noqa: SIM118 - as above


def test_what_is_no_picture_has_none(client: Client) -> None:
    assert ask(client, client.file(TEXT), w=10).json()["code"] == "no_picture"


def test_somebody_else_gets_none(client: Client, photograph: dict[str, Any], world: World) -> None:
    stranger = Client(client.http, world.person(), world)
    assert ask(stranger, photograph, w=10).status_code == 404
    assert client.http.get(f"/v1/files/{photograph['id']}/image?w=10").status_code == 401


class TestSignedLinks:
    """For public pages: one picture, for a while, for whoever has the link."""

    def link(self, client: Client, file: dict[str, Any], **wanted: Any) -> str:
        answer = client.call("POST", f"/{file['id']}/image-links", json=wanted)
        assert answer.status_code == 200, answer.text
        url = urlsplit(answer.json()["url"])
        return f"{url.path}?{url.query}"

    def test_leaves_an_entry(self, client: Client, photograph: dict[str, Any], world: World) -> None:
        self.link(client, photograph, w=120)
        assert world.audit(client.person.id)[-1] == ("file.link_signed", "success")

    def test_shows_that_picture_to_anybody(self, client: Client, photograph: dict[str, Any]) -> None:
        answer = client.http.get(self.link(client, photograph, w=120, h=120, fit="cover"))
        assert shown(answer).size == (120, 120)
        assert answer.headers["cache-control"].startswith("public")

    @pytest.mark.parametrize(
        "change",
        [
            ("w=120", "w=121"),
            ("w=120", "w=120&q=99"),
            ("expires=", "expires=9"),
            ("signature=", "signature=A"),
        ],
        ids=["another size", "another quality", "another end", "another signature"],
    )
    def test_shows_no_other(
        self, client: Client, photograph: dict[str, Any], change: tuple[str, str]
    ) -> None:
        link = self.link(client, photograph, w=120)
        refused = client.http.get(link.replace(*change))
        assert (refused.status_code, refused.json()["code"]) == (403, "invalid_signature")

    def test_is_for_one_file(self, client: Client, photograph: dict[str, Any]) -> None:
        other = client.file(jpeg(colour="#aa0000"), "b.jpg", "image/jpeg")
        link = self.link(client, photograph, w=120).replace(photograph["id"], other["id"])
        assert client.http.get(link).status_code == 403

    def test_ends(self, client: Client, photograph: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        link = self.link(client, photograph, w=120, seconds=60)
        expires = int(parse_qs(urlsplit(link).query)["expires"][0])

        class Later(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return cls.fromtimestamp(expires + 1, tz)

        monkeypatch.setattr(public_images, "datetime", Later)
        assert client.http.get(link).json()["code"] == "invalid_signature"

    def test_ends_with_the_trash(self, client: Client, photograph: dict[str, Any]) -> None:
        link = self.link(client, photograph, w=120)
        client.call("DELETE", f"/{photograph['id']}")
        assert client.http.get(link).json()["code"] == "in_trash"

    def test_is_given_to_the_owner_alone(
        self, client: Client, photograph: dict[str, Any], world: World
    ) -> None:
        stranger = Client(client.http, world.person(), world)
        assert stranger.call("POST", f"/{photograph['id']}/image-links", json={"w": 1}).status_code == 404


def test_what_cannot_be_made_is_not_tried_at_once_again(
    client: Client, photograph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(*_: Any) -> None:
        tried.append(1)
        raise NoPicture

    monkeypatch.setattr(transforms, "_make", refuse)
    answers = [ask(client, photograph, w=100) for _ in range(3)]
    assert {answer.json()["code"] for answer in answers} == {"no_picture"}
    assert len(tried) == 1


def test_what_takes_too_long_on_a_busy_machine_may_be_asked_for_again(
    client: Client, photograph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr(transforms, "_PATIENCE_SECONDS", -1.0)  # and with the second of grace none
        answer = ask(client, photograph, w=110)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert shown(ask(client, photograph, w=110)).size[0] == 110


def test_what_makes_no_difference_makes_no_other_picture(
    client: Client, photograph: dict[str, Any], bucket: Bucket
) -> None:
    queries: tuple[dict[str, Any], ...] = (
        {"w": 100, "format": "png"},
        {"w": 50, "dpr": 2, "format": "png"},
        {"w": 100, "q": 7, "gravity": "north", "format": "png"},
    )
    for query in queries:
        assert ask(client, photograph, **query).status_code == 302
    assert len([key for key in bucket.keys() if "/t-" in key]) == 1  # noqa: SIM118 - as above
