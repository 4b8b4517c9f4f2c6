import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import COMMANDS, application
from infra.local.home import Home
from infra.local.mail import Mailbox

LETTER = b"From: a@b.example\r\nSubject: %s\r\n\r\nopen https://x.example/\r\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LAMBKIN_HOME", str(tmp_path / "lambkin"))
    made = Home.find()
    made.create()
    return made


def lambkin(*arguments: str, answer: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(application, arguments, input=answer)
    return result.exit_code, result.output


def test_help_names_every_command() -> None:
    code, output = lambkin("--help")

    assert code == 0
    for name, command in COMMANDS.items():
        assert name in output
        assert command.summary in output


def test_help_imports_no_command() -> None:
    program = (
        "import sys; from infra import cli\n"
        "try: cli.application(['--help'])\n"
        "except SystemExit: pass\n"
        "lazy = ('infra.local', 'infra.commands', 'common.')\n"
        "print([name for name in sys.modules if name.startswith(lazy)])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    code, output = lambkin(name, "--help")

    assert code == 0
    assert "--help" in output


def test_a_misspelt_command_is_guessed() -> None:
    code, output = lambkin("migrat")

    assert code == 2
    assert "Did you mean 'migrate'?" in output


@pytest.mark.usefixtures("home")
def test_down_without_a_stack_says_so_and_succeeds() -> None:
    assert lambkin("down") == (0, "No stack runs here.\n")


@pytest.mark.usefixtures("home")
def test_seed_needs_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    code, output = lambkin("seed")

    assert code == 1
    assert "`lambkin up`" in output


def test_reset_asks_first(home: Home) -> None:
    (home.mail / "1-a.eml").write_bytes(LETTER)
    home.secrets_file.write_text("{}")

    code, output = lambkin("reset", answer="n\n")
    assert code == 1
    assert "Delete the database" in output
    assert home.secrets_file.exists()

    code, output = lambkin("reset", answer="y\n")
    assert code == 0
    assert not home.secrets_file.exists()
    assert not home.mail.exists()


@pytest.mark.usefixtures("home")
def test_mail_of_an_empty_mailbox() -> None:
    assert lambkin("mail") == (0, "Nothing has been sent yet.\n")


def test_mail_lists_the_newest_last_and_shows_one_whole(home: Home) -> None:
    mailbox = Mailbox(home.mail)
    for subject in (b"first", b"second"):
        mailbox.store("a@b.example", ["ada@lambkin.example"], LETTER % subject)

    code, output = lambkin("mail")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == ["2", "1"]
    assert output.splitlines()[-1].endswith("second")

    code, output = lambkin("mail", "2")
    assert code == 0
    assert "Subject: first" in output
    assert "open https://x.example/" in output


@pytest.mark.parametrize("number", ["3", "0", "-1"])
def test_a_mail_that_is_not_there_is_one_sentence(home: Home, number: str) -> None:
    Mailbox(home.mail).store("a@b.example", ["ada@lambkin.example"], LETTER % b"only")
    code, output = lambkin("mail", "--", number)

    assert (code, output) == (1, f"There is no mail {number}: the mailbox holds 1.\n")
