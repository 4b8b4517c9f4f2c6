"""The check of `changes.md` fails where it must, and passes on what is committed."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.commands.openapi import app, changes_missing
from infra.contract import changelog, documents
from infra.contract.changelog import Entry, complaints, unreleased
from infra.contract.compatibility import Change

type Json = Any

ADDED = Change("GET /v1/notes", "added")
CHANGED = Change("GET /v1/notes", "changed")
BROKEN = Change("GET /v1/notes", "changed", ("answer 200.title: is gone",))

CHANGES = """# Changes

## [Unreleased]

### Added

- `GET /v1/notes`: lists notes.
- `GET /v1/a/livez`, `GET /v1/b/livez`,
  `GET /v1/c/livez`: alive?
- **Breaking** `PATCH /v1/notes/{note_id}`: needs `GET /v1/other` first.
- Everywhere: `GET /v1/elsewhere` is only spoken of.

## [0.1.0] - 2026-11-01

- `GET /v1/old`: was there before.
"""


CHANGES_MD = changelog.read()


def _complaints(change: Change, *entries: Entry) -> list[str]:
    return list(complaints([change], entries, ["GET /v1/notes"]))


def test_entries_are_read_from_the_unreleased_section_alone() -> None:
    assert unreleased(CHANGES) == [
        Entry("GET /v1/notes", breaking=False),
        Entry("GET /v1/a/livez", breaking=False),
        Entry("GET /v1/b/livez", breaking=False),
        Entry("GET /v1/c/livez", breaking=False),
        Entry("PATCH /v1/notes/{note_id}", breaking=True),
    ]


def test_a_file_without_an_unreleased_section_has_no_entries() -> None:
    assert unreleased("# Changes\n\n## [0.1.0]\n\n- `GET /v1/old`: was there before.\n") == []


@pytest.mark.parametrize("change", [ADDED, CHANGED, BROKEN])
def test_a_change_without_an_entry_is_complained_of(change: Change) -> None:
    (sentence,) = _complaints(change)
    assert "`GET /v1/notes`" in sentence
    assert ("**Breaking**" in sentence) == bool(change.breaking)


def test_a_break_that_is_told_as_a_mere_change_is_complained_of() -> None:
    (sentence,) = _complaints(BROKEN, Entry("GET /v1/notes", breaking=False))
    assert "answer 200.title: is gone" in sentence
    assert "**Breaking** `GET /v1/notes`" in sentence


@pytest.mark.parametrize("change", [ADDED, CHANGED, BROKEN])
def test_a_change_with_its_entry_is_fine(change: Change) -> None:
    assert _complaints(change, Entry("GET /v1/notes", breaking=bool(change.breaking))) == []


def test_an_entry_about_no_operation_is_complained_of() -> None:
    found = list(complaints([], [Entry("GET /v1/note", breaking=False)], ["GET /v1/notes"]))
    assert found == ["changes.md tells of `GET /v1/note` under [Unreleased], which is no operation."]


def test_an_entry_may_tell_of_a_change_that_no_document_shows() -> None:
    assert list(complaints([], [Entry("GET /v1/notes", breaking=True)], ["GET /v1/notes"])) == []


def test_every_change_since_the_last_release_is_told() -> None:
    assert changes_missing() == []


class TestCommand:
    """`lambkin openapi` in a folder of its own."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(documents, "FOLDER", tmp_path)
        monkeypatch.setattr(changelog, "PATH", tmp_path / "changes.md")
        (tmp_path / "changes.md").write_text(CHANGES_MD)
        return tmp_path

    @staticmethod
    def _run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, result.output

    def test_it_writes_one_document_a_function_and_the_merged_one(self, folder: Path) -> None:
        code, _ = self._run()
        assert code == 0
        names = {path.name for path in folder.glob("*.json")}
        assert names >= {"auth.json", "users.json", "health.json", "worker.json", "openapi.json"}
        text = (folder / "openapi.json").read_text()
        assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def test_a_check_of_what_was_written_passes(self) -> None:
        self._run()
        assert self._run("--check") == (0, "")

    def test_a_check_names_each_file_that_differs_and_what_to_run(self, folder: Path) -> None:
        self._run()
        (folder / "auth.json").write_text("{}")
        (folder / "users.json").unlink()
        (folder / "gone.json").write_text("{}")
        code, said = self._run("--check")
        assert code == 1
        lines = said.splitlines()
        assert [line.split(" ")[0] for line in lines] == ["auth.json", "users.json", "gone.json"]
        assert all("run `lambkin openapi`" in line for line in lines)
        assert (folder / "auth.json").read_text() == "{}", "a check writes nothing"

    def test_a_document_of_a_function_that_is_gone_is_removed(self, folder: Path) -> None:
        (folder / "gone.json").write_text("{}")
        self._run()
        assert not (folder / "gone.json").exists()

    def test_a_check_fails_where_a_change_is_not_told(self, folder: Path) -> None:
        self._run()
        (folder / "changes.md").write_text("# Changes\n\n## [Unreleased]\n")
        code, said = self._run("--check")
        assert code == 1
        assert "`POST /v1/auth/login` was added" in said

    def test_a_release_needs_every_change_to_be_told(self, folder: Path) -> None:
        (folder / "changes.md").write_text("# Changes\n\n## [Unreleased]\n")
        assert self._run("--release")[0] == 1
        assert not (folder / "released.json").exists()

    def test_after_a_release_nothing_needs_to_be_told(self, folder: Path) -> None:
        assert self._run("--release")[0] == 0
        assert (folder / "released.json").read_text() == (folder / "openapi.json").read_text()
        (folder / "changes.md").write_text("# Changes\n\n## [Unreleased]\n")
        assert self._run("--check") == (0, "")

    def test_an_operation_that_was_removed_since_the_release_must_be_told_as_breaking(
        self, folder: Path
    ) -> None:
        self._run("--release")
        released: Json = json.loads((folder / "released.json").read_text())
        released["paths"]["/v1/auth/gone"] = {"get": {"operationId": "gone", "responses": {"204": {}}}}
        (folder / "released.json").write_text(json.dumps(released))
        code, said = self._run("--check")
        assert code == 1
        assert "`GET /v1/auth/gone` was removed" in said
        assert "**Breaking** `GET /v1/auth/gone`" in said

    def test_a_release_and_a_check_at_once_are_refused(self) -> None:
        assert self._run("--check", "--release")[0] == 2
