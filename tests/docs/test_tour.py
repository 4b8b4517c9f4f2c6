"""The README's tour with curl is walked, each command as it stands there."""

import shutil
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from common.ids import new_id
from common.mail.messages import address_of, compose
from common.mail.rendering import render
from infra.local.mail import Mailbox
from tests.docs import curl
from tests.docs.readme import commands_and_answers, fits, section
from tests.docs.shell import run
from tests.support.world import World

TOUR = section("Five minutes with curl")
ADDRESS = "ada@lambkin.example"


@pytest.fixture(params=["curl", "its stand-in"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder to walk in, with this environment's programs where the README expects them."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "mail").mkdir()
    search = f"{programs}:{Path(sys.executable).parent}"
    (programs / "activate").write_text(f'PATH="{search}:$PATH"\n')
    if request.param != "curl":
        (programs / "curl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{curl.__file__}" "$@"\n')
        (programs / "curl").chmod(0o755)
    elif shutil.which("curl") is None:
        pytest.skip("this machine has no curl; its stand-in walks the tour")
    return tmp_path


def _deliver(world: World, address: str, mailbox: Mailbox) -> None:
    """Do the worker's part: every mail to this address into the mailbox."""
    sender = address_of("Lambkin <no-reply@lambkin.example>")
    for mail in world.mails(address):
        rendered = render(mail.template, mail.values, "Lambkin")
        message = compose(rendered, sender=sender, to=address_of(mail.to), key=new_id())
        mailbox.store(sender.addr_spec, [mail.to], message.as_bytes())


def test_the_tour_answers_as_the_readme_says(home: Path, over_http: httpx.Client, world: World) -> None:
    address = f"{uuid4().hex}@lambkin.example"
    mailbox = Mailbox(home / "mail")
    here = TOUR.replace("http://localhost:8000", str(over_http.base_url).rstrip("/")).replace(
        ADDRESS, address
    )
    walked = commands_and_answers(here)
    assert sum("curl" in command for command, _ in walked) >= 6
    for command, expected in walked:
        if "lambkin mail" in command and not mailbox.newest(1):
            _deliver(world, address, mailbox)
        answer = run(command, home)
        assert fits(answer, expected), f"{command}\nanswered\n{answer}\nand not\n{expected}"
    assert not (home / "tokens.json").exists()
