"""The example page in a real browser: a large picture through lost connections, from another origin."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image, ImageDraw

from tests.functions.files.calls import TEXT
from tests.infra.docker.network.clients.conftest import EXAMPLES, Person, Someone
from tests.support.browser import Pages, Traffic, pages
from tests.support.network import Network
from tests.support.waiting import eventually

SIDE: Final = 5000
PARTS: Final = 9
LOST: Final = "The connection is lost. It goes on by itself."
REMEMBERED: Final = "unfinished-upload"
LOOKS: Final = 20
_FETCH: Final = """
const [url, options, done] = arguments;
const read = async (answer) => done([answer.status, await answer.text()]);
fetch(url, options).then(read, (error) => done(String(error)));
"""


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 75 MB: 25 megapixels, not compressed."""
    image = Image.linear_gradient("L").resize((SIDE, SIDE))
    image = Image.merge(
        "RGB", [image.point(lambda x, each=each: each + x * (255 - each) // 255) for each in (64, 130, 205)]
    )
    draw = ImageDraw.Draw(image)
    draw.ellipse((3300, 700, 4100, 1500), fill="#fff3c4")
    for top, colour in ((3000, "#86a873"), (3500, "#5f8d5b"), (4100, "#3c6b48")):
        for hill in range(-1, 4):
            left = hill * 1700 + top % 900
            draw.ellipse((left, top, left + 2600, top + 3000), fill=colour)
    for x, y in ((1200, 3900), (2100, 4200), (3300, 4000)):
        draw.ellipse((x, y, x + 420, y + 260), fill="#fbfaf5")
        draw.ellipse((x + 330, y - 40, x + 500, y + 110), fill="#2e2a28")
    path = tmp_path_factory.mktemp("picture") / "meadow.png"
    image.save(path, compress_level=0)
    assert path.stat().st_size > 64 * 1024**2
    return path


class Upload:
    """What becomes of the picture, seen from the page, from the bucket and from the wire."""

    def __init__(self, person: Person, someone: Someone) -> None:
        self.person = person
        self.traffic = Traffic(person.browser)
        self._someone = someone

    def parts(self) -> set[int]:
        """Those that the bucket has."""
        begun = self.person.browser.execute_script(f"return JSON.parse(localStorage['{REMEMBERED}']).id")
        answer = self._someone.client.get(f"/v1/files/uploads/{begun}")
        return {part["number"] for part in answer.json()["parts"]}

    def settled(self) -> set[int]:
        """Those that the bucket has when it has taken what had reached it."""
        looks: list[set[int]] = []

        def unchanged() -> bool:
            looks.append(self.parts())
            return len(looks) > LOOKS and looks[-1] == looks[-LOOKS]

        eventually(unchanged, 30)
        return looks[-1]

    def arrived(self) -> int:
        """Of how many parts the page knows that they have arrived."""
        return int(self.person.part("bar").get_attribute("value") or 0)

    def choose(self, path: Path) -> None:
        """Give the page a file."""
        self.person.sees("choose")
        self.person.part("file").send_keys(str(path))

    def begins_again(self) -> None:
        """Wait until the page sends a part that it has not been sending yet."""
        before = len(self.traffic.parts())
        eventually(lambda: len(self.traffic.parts()) > before, 60)


def _lose_the_connection(upload: Upload) -> None:
    """The plug is pulled, and put in again: the page goes on by itself, and sends nothing twice."""
    person = upload.person
    person.connect(there=False)
    person.reads(LOST)
    person.photograph("connection-lost")
    there = upload.settled()
    assert 0 < len(there) < PARTS
    before = len(upload.traffic.parts())
    person.connect(there=True)
    upload.begins_again()
    assert there.isdisjoint(sent.part for sent in upload.traffic.parts()[before:])


def _lose_the_gateway(upload: Upload, network: Network) -> None:
    """All connections are reset, in the middle of parts; the page finds the new gateway by itself."""
    gateway = network.processes.pop("backend")
    gateway.kill()
    gateway.wait(10)
    upload.person.reads(LOST)
    network.start_gateway()
    upload.begins_again()
    known = upload.arrived()
    eventually(lambda: upload.arrived() > known, 60)


def _open_again(upload: Upload, picture: Path) -> None:
    """The page is closed in the middle, and opened again: it knows who it is for, and what is missing."""
    person = upload.person
    person.browser.refresh()
    person.reads(f"of {PARTS} parts have arrived. Choose the same file again to go on.")
    person.photograph("opened-again")
    upload.choose(picture)
    eventually(lambda: person.part("sending").is_displayed())
    person.photograph("sending")


def test_a_large_picture_survives_lost_connections_and_is_shown(
    person: Person, someone: Someone, network: Network, frontend: Pages, address: str, picture: Path
) -> None:
    upload = Upload(person, someone)
    person.browser.get(f"{frontend.origin}/upload/")
    person.sign_in(someone)
    person.sees("choose")
    person.photograph("choose")
    person.connect(there=True)
    upload.choose(picture)
    eventually(lambda: upload.arrived() > 0, 60)
    _lose_the_connection(upload)
    _lose_the_gateway(upload, network)
    _open_again(upload, picture)
    shown = person.sees("picture", 90)
    eventually(lambda: person.browser.execute_script("return arguments[0].naturalWidth", shown) == 640, 30)
    person.photograph("shown")
    _went_straight_to_the_bucket(upload.traffic, address)
    [file] = someone.client.get("/v1/files").json()["items"]
    assert (file["state"], file["image"]["width"], file["size"]) == ("ready", SIDE, picture.stat().st_size)
    content = someone.client.get(f"/v1/files/{file['id']}/content", follow_redirects=True).content
    assert hashlib.sha256(content).digest() == hashlib.sha256(picture.read_bytes()).digest()


def _went_straight_to_the_bucket(traffic: Traffic, address: str) -> None:
    """Each part once, several at a time, in whatever order, after the bucket was asked for leave."""
    sent = traffic.parts()
    assert all(each.url.startswith(f"{address}/lambkin/files/") for each in sent)
    assert set(Counter(each.part for each in sent if each.status == 200).values()) == {1}
    at_once = [sum(other.begun <= each.begun < other.ended for other in sent) for each in sent]
    assert max(at_once) > 2
    assert [each.part for each in sent] != sorted(each.part for each in sent)
    asked = [each for each in traffic.all() if each.method == "OPTIONS" and "partNumber=" in each.url]
    assert asked


def _file(someone: Someone) -> str:
    """The path of a small file."""
    made = someone.client.post("/v1/files", files={"file": ("sonnet.txt", TEXT)})
    return f"/v1/files/{made.json()['id']}"


def _fetched(person: Person, url: str, **options: Any) -> Any:
    """Status and body of what a script of the page fetches, or why it may not."""
    return person.browser.execute_async_script(_FETCH, url, options)


def test_a_page_of_another_origin_can_do_nothing(
    person: Person, someone: Someone, frontend: Pages, address: str
) -> None:
    started = someone.client.post("/v1/files/uploads", json={"name": "a", "size": 5, "in_parts": True}).json()
    path = f"/v1/files/uploads/{started['id']}"
    [part] = someone.client.post(f"{path}/parts", json={"parts": [{"number": 1}]}).json()["parts"]
    put = {"method": "PUT", "body": "bytes"}
    with pages(EXAMPLES) as stranger:
        stranger.api = address
        person.browser.get(f"{stranger.origin}/upload/")
        person.reads("The connection is lost.")
        assert _fetched(person, part["request"]["url"], **put) == "TypeError: Failed to fetch"
    assert someone.client.get(path).json()["parts"] == []
    person.browser.get(f"{frontend.origin}/upload/")
    assert _fetched(person, part["request"]["url"], **put) == [200, ""]
    assert len(someone.client.get(path).json()["parts"]) == 1


@pytest.mark.parametrize("through", ["the gateway", "the function's own address"])
def test_a_script_reads_content_where_the_bucket_has_an_address_of_its_own_too(
    person: Person, someone: Someone, network: Network, frontend: Pages, address: str, through: str
) -> None:
    own = f"http://localhost:{network.port('files')}"
    url = (address if through == "the gateway" else own) + _file(someone) + "/content"
    person.browser.get(f"{frontend.origin}/upload/")
    signed = {"Authorization": someone.client.headers["Authorization"]}
    assert _fetched(person, url, headers=signed) == [200, TEXT.decode()]
