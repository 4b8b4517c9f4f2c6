"""The demo accounts' addresses and passwords, as kept in `demo.json`."""

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass

from infra.local.home import Home, write_private

ROLES = ("admin", "member")


@dataclass(frozen=True)
class Account:
    """An account to sign in with."""

    role: str
    email: str
    password: str
    name: str


@dataclass(frozen=True)
class Demo:
    """All of them; `shown` once a terminal has printed the passwords."""

    accounts: tuple[Account, ...]
    shown: bool = False


def read_demo(home: Home) -> Demo | None:
    """What is kept, or none."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(home.demo_file.read_text())
        return Demo(tuple(Account(**account) for account in kept["accounts"]), kept["shown"])
    return None


def write_demo(home: Home, demo: Demo) -> None:
    """Keep it, readable by its owner alone."""
    write_private(home.demo_file, asdict(demo))


def make_demo() -> Demo:
    """New accounts with random passwords; they are in no database yet."""
    return Demo(
        tuple(
            Account(role, f"{role}@lambkin.example", secrets.token_urlsafe(12), f"Demo {role}")
            for role in ROLES
        )
    )
