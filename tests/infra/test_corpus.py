"""The judge of `make corpus` finds what it is there to find."""

from pathlib import Path
from typing import Any

import pytest

from infra.corpus import hostile, judging, sheet, summary
from infra.corpus.journey import Travelled
from tests.functions.files.imaging.pictures import with_metadata


def ready(folder: Path, content: bytes, media_type: str = "image/jpeg", **values: Any) -> Travelled:
    kept = folder / "original.jpg"
    kept.write_bytes(content)
    file = {"id": "1", "media_type": media_type, "size": len(content), "image": None, "removed": []}
    return Travelled(kept, len(content), "ready", file=file, stored={"original": kept}, **values)


def faults(travelled: Travelled) -> list[str]:
    judging.look(travelled)
    return travelled.faults


def test_a_place_that_is_kept_is_wrong(tmp_path: Path) -> None:
    assert faults(ready(tmp_path, with_metadata("JPEG"))) != []
    assert faults(ready(tmp_path, b"\xff\xd8 nothing to hide \xff\xd9")) == []
    assert faults(ready(tmp_path, b"a document's own GPSInfo", "application/pdf")) == []


@pytest.mark.parametrize(
    ("outcome", "code", "number"),
    [("rejected", "damaged", 0), ("rejected", "crashed", 1), ("rejected", "?", 1), ("", "", 1)],
)
def test_only_a_stated_reason_is_right(tmp_path: Path, outcome: str, code: str, number: int) -> None:
    assert len(faults(Travelled(tmp_path / "x", 1, outcome, code))) == number


@pytest.mark.parametrize(
    ("duration_ms", "peak_bytes", "number"),
    [(900.0, 50 * judging.MEBIBYTE, 0), (36_000.0, 0, 1), (900.0, 1300 * judging.MEBIBYTE, 1)],
)
def test_what_decoding_took_is_held_to_the_limits(
    tmp_path: Path, duration_ms: float, peak_bytes: int, number: int
) -> None:
    travelled = Travelled(tmp_path / "x", 1, "ready", request_id="r")
    line = {"event": "content_decoded", "duration_ms": duration_ms, "peak_bytes": peak_bytes}
    assert judging.measure([travelled], [line | {"request_id": "r"}]) == []
    assert len(travelled.faults) == number


def test_a_job_that_was_tried_again_is_wrong() -> None:
    done = {"event": "job", "task": "process_content", "outcome": "done", "attempt": 1, "level": "info"}
    assert judging.measure([], [done]) == []
    assert len(judging.measure([], [done | {"attempt": 2}])) == 1
    assert len(judging.measure([], [done | {"outcome": "retried"}])) == 1
    assert len(judging.measure([], [{"event": "tick_failed", "level": "error"}])) == 1


@pytest.mark.parametrize(
    ("code", "seconds", "peak_bytes", "number"),
    [
        ("too_many_pixels", 0.5, 9, 0),
        ("damaged", 0.5, 9, 1),
        ("too_many_pixels", 2.1, 9, 1),
        ("too_many_pixels", 0.5, hostile.BYTES, 1),
        ("too_many_pixels", 0.5, 0, 1),
    ],
)
def test_the_named_files_are_held_to_less(
    tmp_path: Path, code: str, seconds: float, peak_bytes: int, number: int
) -> None:
    travelled = Travelled(tmp_path / "x", 1, "rejected", code, seconds=seconds, peak_bytes=peak_bytes)
    judging.hold_to_the_least(travelled, "too_many_pixels")
    assert len(travelled.faults) == number


def test_the_page_shows_each_file_and_runs_none_of_their_names(tmp_path: Path) -> None:
    named = Travelled(tmp_path / "<script>.png", 1, "rejected", "damaged", "It is <b>.")
    page = tmp_path / "index.html"
    sheet.write([ready(tmp_path, b"x"), named], page, notes=["A note."], faults=["Something <i>else</i>."])
    written = page.read_text()
    assert "<script>" not in written
    assert "<i>else" not in written
    assert "Rejected: damaged (1)" in written
    assert 'src="original.jpg"' in written


def test_anything_wrong_is_told_by_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = Travelled(tmp_path / "a", 1, "ready"), Travelled(tmp_path / "b", 1, faults=["lost"])
    assert summary.tell([right], [], [], 1.0, tmp_path) == 0
    assert summary.tell([right, wrong], [], [], 1.0, tmp_path) == 1
    assert summary.tell([right], ["the bucket is not empty"], [], 1.0, tmp_path) == 1
    assert "WRONG b: lost" in capsys.readouterr().out
