"""The child may die as it likes; its parent goes on, and the next job works."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from functions.files.imaging import subprocesses
from functions.files.imaging.child import Decoder, DecoderUnavailable, Limits, Rejected
from functions.files.imaging.outcomes import Processed
from functions.files.imaging.protocol import Nonsense, answer, dump
from tests.functions.files.imaging import hostile
from tests.functions.files.imaging.pictures import encoded, photo
from tests.support.waiting import eventually

SLOW = hostile.gif(2_000, 2_000, 49)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(encoded(photo(), "PNG"))
    return path


def _works(decoder: Decoder, source: Path) -> bool:
    return decoder.process(source, source.parent, Limits()).width == 96


@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "crashed"), (signal.SIGXCPU, "time")]
)
def test_a_child_that_dies_at_work_rejects_its_file_alone(
    by: int, code: str, source: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.write_bytes(SLOW)
    with Decoder() as decoder, ThreadPoolExecutor(1) as pool:
        assert _works(decoder, source)
        child = decoder.pid
        assert child is not None
        spent = psutil.Process(child).cpu_times().user
        job = pool.submit(decoder.process, slow, tmp_path, Limits())
        eventually(lambda: psutil.Process(child).cpu_times().user > spent + 0.2)
        os.kill(child, by)
        with pytest.raises(Rejected) as refused:
            job.result(timeout=10)
        assert refused.value.code == code
        assert _works(decoder, source)
        assert decoder.pid != child


def test_a_child_that_dies_in_idle_is_replaced(source: Path) -> None:
    with Decoder() as decoder:
        assert _works(decoder, source)
        child = decoder.pid
        assert child is not None
        os.kill(child, signal.SIGKILL)
        eventually(lambda: psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
        assert _works(decoder, source)
        assert decoder.pid != child


def test_a_child_is_replaced_after_its_jobs_before_the_next(source: Path) -> None:
    with Decoder(jobs=2) as decoder:
        first = decoder.pid
        assert _works(decoder, source)
        assert decoder.pid == first
        assert _works(decoder, source)
        spare = decoder.pid
        assert spare not in (first, None)
        assert _works(decoder, source)
        assert decoder.pid == spare


def test_threads_wait_for_one_another(source: Path, tmp_path: Path) -> None:
    def job(number: int) -> bool:
        into = tmp_path / str(number)
        into.mkdir()
        return decoder.process(source, into, Limits()).renditions[0].path.exists()

    with Decoder() as decoder, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(job, range(16)))


def test_a_closed_decoder_says_so_and_leaves_no_process(source: Path) -> None:
    decoder = Decoder()
    assert _works(decoder, source)
    child = decoder.pid
    decoder.close()
    decoder.close()
    assert child is not None
    assert not psutil.pid_exists(child)
    with pytest.raises(DecoderUnavailable):
        decoder.process(source, source.parent, Limits())


def test_a_child_ends_with_its_parent() -> None:
    code = (
        "from functions.files.imaging.subprocesses import Child; child = Child.start();"
        "print(child.pid if child.wait_until_ready() else 0, flush=True); import os; os._exit(1)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    child = int(told.stdout)
    assert child
    eventually(lambda: not psutil.pid_exists(child))


def test_a_child_knows_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with Path(__file__).open() as _:
        child = subprocesses.Child.start()
    try:
        assert child.wait_until_ready()
        process = psutil.Process(child.pid)
        assert set(process.environ()) <= {
            "LD_LIBRARY_PATH",
            "PYTHONHOME",
            "PYTHONPATH",
            "PYTHONDONTWRITEBYTECODE",
            "MALLOC_ARENA_MAX",
            "LC_CTYPE",
        }
        assert [Path(each.path).suffix for each in process.open_files() if each.path.endswith(".py")] == []
        assert os.getpgid(child.pid) == child.pid
        assert process.rlimit(psutil.RLIMIT_NOFILE)[0] == 64
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    finally:
        child.kill()


def test_a_child_that_cannot_start_is_no_files_fault(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Decoder() as decoder, pytest.raises(DecoderUnavailable):
        decoder.process(source, source.parent, Limits())
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    decoder = Decoder()
    with pytest.raises(DecoderUnavailable):
        decoder.process(source, source.parent, Limits())


def test_a_folder_that_is_not_there_is_no_files_fault(decoder: Decoder, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DecoderUnavailable):
        decoder.process(source, tmp_path / "nowhere", Limits())
    with pytest.raises(DecoderUnavailable):
        decoder.process(tmp_path / "nothing", tmp_path, Limits())


def _line(path: Path) -> bytes:
    rendition = {"name": "256", "path": path, "width": 1, "height": 1, "bytes": 1, "media_type": "image/webp"}
    made = {"media_type": "image/png", "width": 1, "height": 1, "renditions": [rendition]}
    return dump({"made": made, "peak": 5})


def test_what_a_child_answers_is_not_believed(tmp_path: Path) -> None:
    own = tmp_path / "256.webp"
    own.write_bytes(b"four")
    assert answer(_line(own), Processed, tmp_path).renditions[0].bytes == 4
    link = tmp_path / "link.webp"
    link.symlink_to("/etc/passwd")
    for line in (
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"made": {"media_type": 5}, "peak": 1}',
        _line(Path("/etc/passwd")),
        _line(tmp_path / ".." / "256.webp"),
        _line(link),
        _line(tmp_path / "missing.webp"),
    ):
        with pytest.raises(Nonsense):
            answer(line, Processed, tmp_path)


def test_the_parents_side_loads_no_imaging_library() -> None:
    code = (
        "import sys, functions.files.imaging.child;"
        "print({'PIL', 'pillow_heif', 'pypdfium2', 'puremagic', 'multiprocessing'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
