"""Where a stack on this machine keeps what it must remember.

`.lambkin/` beside the code, or the folder that `LAMBKIN_HOME` names:

    postgres/      the database cluster (a link where the account that runs it cannot reach this folder)
    emulator/      what the AWS emulator keeps
    mail/          every mail that was sent, one .eml file each
    logs/          one log a child
    tools/         the emulator's own Python environment
    secrets.json   passwords and keys, made once, readable by their owner alone
    demo.json      the demo accounts, likewise
    stack.json     what runs now: process ids, ports, addresses
"""

import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

PROJECT = Path(__file__).resolve().parents[2]


class Home:
    """The folder of one stack; its attributes are paths that may not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres = root / "postgres"
        self.emulator = root / "emulator"
        self.mail = root / "mail"
        self.logs = root / "logs"
        self.tools = Path(os.environ.get("LAMBKIN_TOOLS") or root / "tools")
        self.stack_file = root / "stack.json"
        self.lock_file = root / "lock"
        self.secrets_file = root / "secrets.json"
        self.demo_file = root / "demo.json"

    @classmethod
    def find(cls) -> Self:
        """`LAMBKIN_HOME`, or `.lambkin` in the project."""
        return cls(Path(os.environ.get("LAMBKIN_HOME") or PROJECT / ".lambkin").expanduser().absolute())

    def create(self) -> None:
        """Make the folders that every command may write to. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.mail, self.emulator):
            folder.mkdir(mode=0o700, exist_ok=True)


class HomeDamaged(Exception):
    """A file of the home is not as it was written; the message names it."""


@dataclass(frozen=True)
class Secrets:
    """What the stack generates once; `encryption_keys` is `name:base64url`, as the settings take it."""

    superuser_password: str
    database_password: str
    encryption_keys: str
    server_secret: str

    @classmethod
    def generate(cls) -> Self:
        """New ones, from the system's own source of randomness."""
        key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return cls(
            superuser_password=secrets.token_urlsafe(24),
            database_password=secrets.token_urlsafe(24),
            encryption_keys=f"local:{key}",
            server_secret=secrets.token_urlsafe(32),
        )


def load_secrets(home: Home) -> Secrets:
    """The secrets of this home, generated at the first call. Raises `HomeDamaged`."""
    if home.secrets_file.exists():
        try:
            return Secrets(**json.loads(home.secrets_file.read_text()))
        except (ValueError, TypeError) as error:
            raise HomeDamaged(
                f"{shown(home.secrets_file)} cannot be read: restore it, or begin anew with `lambkin reset`."
            ) from error
    made = Secrets.generate()
    write_private(home.secrets_file, asdict(made))
    return made


def write_private(path: Path, value: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, in one step: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=2)
    draft.replace(path)


def shown(path: os.PathLike[str]) -> str:
    """A path as short as it can be said: relative to where the user stands, where it is below."""
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short
