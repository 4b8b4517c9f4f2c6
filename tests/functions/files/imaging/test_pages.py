"""The first page of a document is drawn, however large it says it is."""

import pytest

from tests.functions.files.imaging import hostile, pictures
from tests.functions.files.imaging.conftest import Process, Refuse
from tests.functions.files.imaging.pictures import encoded, opened, photo


def test_the_first_page_is_drawn_on_white(process: Process) -> None:
    made = process(hostile.pdf(200, 100))
    assert (made.media_type, made.width, made.height, made.pages) == ("application/pdf", 200, 100, 1)
    assert [each.name for each in made.renditions] == ["256", "512", "1024", "2048"]
    page = opened(made.renditions[0].path)
    assert pictures.near(page, (5, 120), (0, 0, 255))
    assert pictures.near(page, (250, 5), (255, 255, 255))
    assert made.colours[0] == "#ffffff"
    assert made.cleaned is None


def test_all_pages_are_counted(process: Process) -> None:
    content = encoded(photo(), "PDF", save_all=True, append_images=[photo(), photo()])
    assert process(content).pages == 3


@pytest.mark.parametrize("size", [(14_400, 14_400), (900_000, 1), (1, 900_000), (0.1, 0.1)])
def test_a_giant_page_is_drawn_small(size: tuple[float, float], process: Process) -> None:
    made = process(hostile.pdf(*size))
    assert max(made.renditions[-1].width, made.renditions[-1].height) <= 2048


@pytest.mark.parametrize("cut", [6, 60, 200])
def test_a_part_of_a_document_is_rejected(cut: int, refuse: Refuse) -> None:
    assert refuse(hostile.pdf(100, 100)[:cut]).code == "damaged"


def test_a_document_without_pages_is_rejected(refuse: Refuse) -> None:
    assert (
        refuse(hostile.pdf(100, 100).replace(b"/Kids[3 0 R]/Count 1", b"/Kids[]/Count 0     ")).code
        == "damaged"
    )
