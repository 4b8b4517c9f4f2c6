"""The commands of the stack on this machine: up, down, reset, mail, seed."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from infra.local import emulator, environment, leftovers
from infra.local.demo import read_demo
from infra.local.erase import erase
from infra.local.home import Home, shown
from infra.local.mail import Mail, Mailbox
from infra.local.plan import DEFAULT_PORT, Options
from infra.local.screen import Screen
from infra.local.state import AlreadyRunning, HomeLock, running_stack

STOP_PATIENCE = 45.0  # seconds
FOLLOW_INTERVAL = 0.5  # seconds


class Transport(StrEnum):
    """How a request reaches a function."""

    HTTP = "http"
    LAMBDA = "lambda"


def up(
    *,
    port: Annotated[int, typer.Option(help="Port of the gateway; 0 takes a free one.")] = DEFAULT_PORT,
    postgres_port: Annotated[
        int | None, typer.Option(help="Port of the database; 54329 or a free one unless given.")
    ] = None,
    emulator_port: Annotated[
        int, typer.Option(help="Port of the AWS emulator; 0 takes a free one.")
    ] = emulator.DEFAULT_PORT,
    transport: Annotated[
        Transport, typer.Option(help="`lambda` turns each request into a function-URL event, as on AWS.")
    ] = Transport.HTTP,
    reload: Annotated[bool, typer.Option(help="Restart the functions when a source changes.")] = True,
    demo: Annotated[bool, typer.Option(help="Make demo accounts.")] = True,
) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    home, screen = Home.find(), Screen()
    try:
        home.create()
    except OSError as error:
        _refuse(screen, f"The stack cannot keep its data in {home.root}: {error.strerror}.")
    options = Options(port, postgres_port, emulator_port, transport.value, reload, demo)
    try:
        with HomeLock(home):
            code = asyncio.run(_supervise(home, options, screen))
    except AlreadyRunning:
        stack = running_stack(home)
        where = f" at {stack.url} (pid {stack.supervisor.pid})" if stack else ""
        _refuse(screen, f"The stack runs already{where}. `lambkin down` stops it.")
    raise typer.Exit(code)


async def _supervise(home: Home, options: Options, screen: Screen) -> int:
    # What runs the stack is of no use to the other commands.
    from infra.local.supervisor import Supervisor

    return await Supervisor(home, options, screen).run()


def down() -> None:
    """Stop the stack that runs here."""
    home, screen = Home.find(), Screen()
    stack = running_stack(home)
    if stack is None:
        for name in leftovers.clear(home):
            screen.say(f"Ended the {name} that a killed stack had left.")
        screen.say("No stack runs here.")
        return
    stack.supervisor.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE
    while stack.supervisor.alive():
        if time.monotonic() > deadline:
            _refuse(screen, f"The stack (pid {stack.supervisor.pid}) has not stopped in {STOP_PATIENCE:g} s.")
        time.sleep(0.05)
    screen.say(f"The stack at {stack.url} has stopped; its data is kept.")


def reset(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the stack's data: database, files, mails, demo accounts, keys."""
    home, screen = Home.find(), Screen()
    stack = running_stack(home)
    if stack is not None:
        _refuse(screen, f"The stack runs at {stack.url}: stop it first, with `lambkin down`.")
    if not home.root.exists():
        screen.say(f"There is nothing to delete in {shown(home.root)}.")
        return
    if not yes:
        question = f"Delete the database, the files, the mails and the keys in {shown(home.root)}?"
        typer.confirm(question, abort=True)
    leftovers.clear(home)
    erase(home)
    screen.say("Deleted. The next `lambkin up` begins anew.")


def mail(
    number: Annotated[int | None, typer.Argument(help="Show this mail whole; 1 is the newest.")] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on, and show mails as they come.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 20,
) -> None:
    """Show what the stack has sent."""
    home, screen = Home.find(), Screen()
    mailbox = Mailbox(home.mail)
    if number is not None:
        newest = mailbox.newest(max(number, limit))
        if not 0 < number <= len(newest):
            _refuse(screen, f"There is no mail {number}: the mailbox holds {len(newest)}.")
        _show_mail(screen, newest[number - 1])
        return
    mails = mailbox.newest(limit)
    if not mails and not follow:
        screen.say("Nothing has been sent yet.")
    for position, listed in reversed(list(enumerate(mails, start=1))):
        _list_mail(screen, str(position), listed)
    if follow:
        _follow(screen, mailbox, mails[0].id if mails else "")


def _follow(screen: Screen, mailbox: Mailbox, last: str) -> None:
    with suppress(KeyboardInterrupt):
        while True:
            for new in mailbox.newer_than(last):
                last = new.id
                screen.say("")
                _show_mail(screen, new)
            time.sleep(FOLLOW_INTERVAL)


def _list_mail(screen: Screen, position: str, listed: Mail) -> None:
    arrived = listed.arrived.astimezone().strftime("%d %b %H:%M:%S")
    screen.say(f"{position:>3}  {arrived}  {', '.join(listed.recipients)}  {listed.subject}")


def _show_mail(screen: Screen, shown_mail: Mail) -> None:
    fields = {
        "From": shown_mail.sender,
        "To": ", ".join(shown_mail.recipients),
        "Date": shown_mail.arrived.astimezone().strftime("%d %b %Y %H:%M:%S"),
        "Subject": shown_mail.subject,
    }
    for name, value in fields.items():
        screen.say(f"{name}: {value}", "bold" if name == "Subject" else "")
    screen.say("")
    screen.say(shown_mail.text.strip() or "(no text; the mailbox page shows the HTML)")


def seed() -> None:
    """Make the demo accounts, or show those that there are."""
    home, screen = Home.find(), Screen()
    if "DATABASE_URL" not in os.environ:
        stack = running_stack(home)
        if stack is None or stack.postgres_port is None:
            _refuse(screen, "No stack runs here: start it with `lambkin up`, or set DATABASE_URL.")
        os.environ.update(environment.of_stack(home, stack.url, stack.postgres_port))
    # The functions read their settings when they are imported.
    from infra.local.seed import seed as make

    made = make(home)
    demo = read_demo(home)
    for account in demo.accounts if demo else ():
        state = "made" if account in made else "there already"
        screen.say(f"{account.role}: {account.email}  {account.password}  ({state})")


def _refuse(screen: Screen, sentence: str) -> NoReturn:
    screen.say(sentence, "red")
    raise typer.Exit(1)
