"""What is shown once the stack has started: where everything is, how to sign in, what does not work."""

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

from rich.table import Table
from rich.text import Text

from infra.local import discovery
from infra.local.demo import read_demo, write_demo
from infra.local.environment import ollama_advice
from infra.local.home import Home, shown
from infra.local.plan import Plan
from infra.local.screen import Screen

PROBE_SECONDS = 6.0
EXAMPLE = '{"email": "you@lambkin.example", "password": "correct horse battery"}'


async def show_summary(plan: Plan, screen: Screen) -> None:
    """Print it; asks the functions how they are."""
    degraded = await asyncio.to_thread(find_degraded, plan)
    rows = [*addresses(plan.url, plan.options.transport), *(sign_in(plan.home) if plan.options.demo else ())]
    show_rows(screen, rows)
    for name, reason in degraded:
        screen.say(f"  ! {name}: {reason}", "yellow")
    screen.say("")
    screen.say(f"Try it: curl {plan.url}/v1/auth/register --json '{EXAMPLE}'")
    screen.say("Ctrl-C stops everything. The logs of the functions follow.", "dim")


def addresses(url: str, transport: str) -> list[tuple[str, str]]:
    """What is where, as rows of name and address."""
    over = " (through Lambda events)" if transport == "lambda" else ""
    rows = [("start page", f"{url}/"), ("documentation", f"{url}/docs"), ("mailbox", f"{url}/mailbox")]
    names = [function.name for function in discovery.functions() if function.serves_http]
    return [*rows, *((name, f"{url}/v1/{name}{over}") for name in names)]


def sign_in(home: Home) -> list[tuple[str, str]]:
    """The demo accounts, as rows of role and how to sign in; the passwords are told once."""
    demo = read_demo(home)
    if demo is None:
        return []
    if not demo.shown:
        write_demo(home, replace(demo, shown=True))
    secret = f"(`lambkin seed` shows the password, kept in {shown(home.demo_file)})"
    return [
        (f"demo {account.role}", f"{account.email}  {secret if demo.shown else account.password}")
        for account in demo.accounts
    ]


def show_rows(screen: Screen, rows: list[tuple[str, str]]) -> None:
    """A table on a terminal, plain lines elsewhere."""
    if not screen.watched:
        for name, value in rows:
            screen.plain(f"{name}: {value}")
        return
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row("", Text(name, "bold"), Text(value))
    screen.say("")
    screen.console.print(table)


def find_degraded(plan: Plan) -> list[tuple[str, str]]:
    """What does not work, with its reason."""
    found = []
    if not _answers(f"{plan.environment['OLLAMA_URL']}/api/version"):
        found.append(("AI", ollama_advice()))
    url = f"http://127.0.0.1:{plan.port}"
    broken: dict[str, str] = _get(f"{url}/_lambkin/stack.json").get("broken", {})
    found += [(name, f"It cannot be imported. {reason}") for name, reason in broken.items()]
    return [*found, *((name, reason) for name, reason in _reported(url) if name not in broken)]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - the address is a setting
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _reported(url: str) -> list[tuple[str, str]]:
    """What the health function says of the others."""
    report = _get(f"{url}/v1/health/ready")
    probes = [*report.get("probes", []), *report.get("functions", [])]
    failed = [probe for probe in probes if probe["state"] != "ok" and probe["name"] != "ollama"]
    return [(probe["name"], f"{probe['detail']} {probe['hint']}") for probe in failed]


def _get(url: str) -> dict[str, Any]:
    """A JSON object, whatever its status; empty where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer:  # noqa: S310 - our own gateway
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            found = json.load(error)
    except (urllib.error.URLError, OSError, ValueError):
        return {}
    return found
