"""What the README says is so."""

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import typer

from infra.cli import COMMANDS
from infra.commands.docs import with_tables
from infra.local.home import PROJECT
from tests.docs.readme import TEXT, applied, code, fits, section

LAMBKIN: Final = re.compile(r"\blambkin ([a-z]+)((?: [\w-]+)*)")
MAKE: Final = re.compile(r"^make ([a-z0-9-]+(?: [a-z0-9-]+)*)")
PATH: Final = re.compile(r"^[a-z_.][\w./-]*(/|\.md|\.py|\.toml)$")
# The example's own, and the rooms of a folder that any function has.
NOT_THERE: Final = re.compile(r"notes|^build/|^[a-z]+\.py$|__init__")


def _command(name: str) -> Any:
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer()
        single.command()(found)
        found = single
    return typer.main.get_command(found)


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}


def _named() -> Iterator[tuple[str, list[str]]]:
    for text in code():
        for name, rest in LAMBKIN.findall(text):
            yield name, rest.split()


def test_its_tables_are_what_the_code_says() -> None:
    assert with_tables(TEXT) == TEXT, "run `lambkin docs`"


def test_a_table_that_is_not_what_the_code_says_is_found() -> None:
    changed = TEXT.replace("| `STAGE` | `local` |", "| `STAGE` | `prod` |")
    assert changed != TEXT
    assert with_tables(changed) == TEXT


def test_every_command_that_it_names_is_there() -> None:
    for name, rest in _named():
        assert name in COMMANDS
        command = _command(name)
        for word in rest:
            if word.startswith("-"):
                assert word in _options(command), f"lambkin {name} {word}"
            elif hasattr(command, "commands"):
                assert word in command.commands, f"lambkin {name} {word}"
                command = command.commands[word]


def test_it_names_every_command() -> None:
    table = section("Commands")
    assert [name for name in COMMANDS if f"`lambkin {name}" not in table] == []


def test_the_options_in_the_table_of_commands_are_there() -> None:
    for name, said in re.findall(r"^\| `lambkin (\w+)[^|]*\| (.*) \|$", section("Commands"), re.MULTILINE):
        command = _command(name)
        deeper = list(getattr(command, "commands", {}).values())
        options = {option for each in [command, *deeper] for option in _options(each)}
        assert set(re.findall(r"`(--[a-z-]+)", said)) <= options
        if deeper:
            assert set(re.findall(r"`([a-z]+)`", said)) <= set(command.commands)


def test_every_target_of_make_that_it_names_is_there() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = {word for text in code() for found in MAKE.findall(text) for word in found.split()}
    assert named >= {"up", "test", "check"}
    assert named <= targets


def test_every_file_that_it_names_is_there() -> None:
    named = {text for text in code() if PATH.match(text) and not NOT_THERE.search(text)}
    assert named >= {"changes.md", "docs/adr/", "layers/common/models/ownership.py"}
    assert {name for name in named if not (PROJECT / name).exists()} == set()


def test_it_sends_nobody_elsewhere() -> None:
    ours = {"localhost", "backend", "frontend", "localstack", "ollama"}
    assert set(re.findall(r"https?://([^:/\s`)<]+)", TEXT)) <= ours


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert fits('{"id":"1","name":"Ada"}\r\n', '{"id":"…","name":"Ada"}\n')
    assert fits("a\nb\nc", "a\n…\nc")
    assert not fits('{"id":"1","name":"Eve"}', '{"id":"…","name":"Ada"}')
    assert not fits("ab", "a")


def test_a_change_is_made_where_it_fits_once() -> None:
    assert applied(" a\n-b\n+c\n", "a\nb\n") == "a\nc\n"
    with pytest.raises(AssertionError, match="2 times"):
        applied("-a\n+b\n", "a\na\n")
