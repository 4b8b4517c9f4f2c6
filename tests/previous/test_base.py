"""Which code is the one before: a release where there is one, else what did not know the newest revision."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.previous.base import REVISIONS, NoHistory, check_out, find


class Repository:
    """A project with migrations and a history."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / REVISIONS).mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        author = {
            f"GIT_{who}_{what}": "a@b.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        ran = subprocess.run(
            ["git", *arguments],  # noqa: S607 - whichever git the machine has
            cwd=self.folder,
            env=os.environ | author | {"GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    def revision(self, name: str) -> Path:
        path = self.folder / REVISIONS / f"{name}.py"
        path.write_text(f"revision = '{name}'\n" * 20)
        return path

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("git is not installed: there is no history to look at.")
    made = Repository(tmp_path / "repository")
    made.revision("0001_first")
    made.commit("first")
    return made


def test_without_a_release_it_is_the_parent_of_the_newest_revision(repository: Repository) -> None:
    parent = repository.commit("a function")
    repository.revision("0002_second")
    repository.commit("second")
    repository.commit("another function")
    assert find(repository.folder).commit == parent


def test_a_revision_that_got_another_name_is_as_old_as_before(repository: Repository) -> None:
    parent = repository.commit("a function")
    path = repository.revision("0002_second")
    repository.commit("second")
    path.rename(path.with_name("0002_better_said.py"))
    repository.commit("words")
    assert find(repository.folder).commit == parent


def test_a_revision_that_is_being_written_has_head_before_it(repository: Repository) -> None:
    head = repository.commit("a function")
    repository.git("tag", "v1.0.0")
    repository.revision("0002_second")
    assert find(repository.folder).commit == head


def test_a_release_is_it_and_not_the_one_that_is_made_of_head(repository: Repository) -> None:
    released = repository.commit("released")
    repository.git("tag", "--annotate", "v0.9.0", "--message=0.9.0")
    repository.revision("0002_second")
    repository.commit("second")
    repository.git("tag", "v0.10.0")
    assert find(repository.folder).commit == released


def test_of_several_releases_it_is_the_newest_by_its_number(repository: Repository) -> None:
    for number in ("v0.9.0", "v0.10.0-rc1"):
        repository.commit(number)
        repository.git("tag", number)
    newest = repository.commit("newest")
    repository.git("tag", "v0.10.0")
    repository.git("tag", "vivid")
    repository.commit("after")
    assert find(repository.folder).commit == newest


def test_a_release_of_another_branch_is_not_before(repository: Repository) -> None:
    parent = repository.commit("a function")
    repository.git("switch", "--quiet", "--create", "other")
    repository.commit("other")
    repository.git("tag", "v9.0.0")
    repository.git("switch", "--quiet", "main")
    repository.revision("0002_second")
    repository.commit("second")
    assert find(repository.folder).commit == parent


def test_its_sources_are_those_of_the_commit(repository: Repository, tmp_path: Path) -> None:
    repository.revision("0002_second")
    repository.commit("second")
    check_out(find(repository.folder), tmp_path / "before", repository.folder)
    assert [path.name for path in (tmp_path / "before" / REVISIONS).iterdir()] == ["0001_first.py"]


def test_a_first_revision_has_no_code_before_it(repository: Repository) -> None:
    with pytest.raises(NoHistory, match="No code is older"):
        find(repository.folder)


def test_a_folder_without_history_says_so(tmp_path: Path) -> None:
    (tmp_path / REVISIONS).mkdir(parents=True)
    (tmp_path / REVISIONS / "0001_first.py").touch()
    with pytest.raises(NoHistory, match="no checkout with a history"):
        find(tmp_path)


def test_a_shallow_checkout_says_what_brings_the_rest(repository: Repository, tmp_path: Path) -> None:
    repository.commit("second")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "shallow"))
    with pytest.raises(NoHistory, match="git fetch --unshallow --tags"):
        find(tmp_path / "shallow")
