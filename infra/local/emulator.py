"""MiniStack, the AWS emulator: S3, SQS and SES on loopback, in a Python environment of its own.

It pins an older botocore and pydantic than the functions use, hence its own environment under `tools/`.
Objects reach the disk as they are written. Queues, messages and identities are kept at a clean end only:
after every start `provision` makes what is missing, and messages that a killed emulator lost are sent again
by the sweeper, because the rows in `jobs` are the truth.
"""

import hashlib
import os
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.local.home import PROJECT, Home
from infra.local.ports import LOOPBACK
from infra.local.processes import Spec, run_to_end
from infra.local.waiting import until

DEFAULT_PORT = 4566
REQUIREMENTS = Path(__file__).with_name("emulator-requirements.txt")
START_PATIENCE = 30.0  # seconds


class EmulatorUnusable(Exception):
    """The emulator cannot be installed here; the message says why."""


@dataclass(frozen=True)
class Emulator:
    """Where the emulator's interpreter is, where it keeps its state, and its port."""

    python: Path
    state: Path
    port: int
    mail_port: int

    @property
    def url(self) -> str:
        """The endpoint that boto3 takes."""
        return f"http://{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """The server in the foreground."""
        return [str(self.python), "-m", "ministack"]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """What it is configured by; it would bind all interfaces and further ports on its own."""
        scratch = self.state / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in inherited.items() if not name.startswith(("AWS_", "PYTHON"))}
        return kept | {
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.state / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state / "s3"),
            "SMTP_HOST": f"{LOOPBACK}:{self.mail_port}",
            "TMPDIR": str(scratch),
            "LOG_LEVEL": "WARNING",
        }


def version() -> str:
    """The version that the requirements pin."""
    return str(re.findall(r"^ministack==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)[0])


def locate(home: Home, port: int, mail_port: int) -> Emulator:
    """Where the emulator of this home is; it may not be installed yet.

    Each set of requirements has a folder of its own: one that changed is installed anew.
    """
    mark = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:8]
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = home.tools / f"ministack-{version()}-{python}-{mark}"
    return Emulator(folder / "bin" / "python", home.emulator, port, mail_port)


def installed(emulator: Emulator) -> bool:
    """Whether its environment is complete: it gets its name as the last step of the installation."""
    return emulator.python.exists()


async def install(emulator: Emulator, log: Path, say: Callable[[str], None]) -> None:
    """Make its environment with uv, telling each step to `say`. Raises `EmulatorUnusable`, `ChildFailed`."""
    uv = find_uv()
    final = emulator.python.parents[1]
    draft = final.with_name(f"{final.name}.{os.getpid()}")
    final.parent.mkdir(parents=True, exist_ok=True)
    # The project's own environment is none of its business, whoever started us.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    make = [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(draft)]
    python = ("--python", str(draft / "bin" / "python"))
    fill = [uv, "pip", "install", *python, "--compile-bytecode", "-r", str(REQUIREMENTS)]
    try:
        await run_to_end(Spec("uv", make, environment, log))
        say(f"downloading MiniStack {version()} (about 60 MB, once)")
        await run_to_end(Spec("uv", fill, environment, log))
        with suppress(OSError):  # another stack has installed it meanwhile
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def find_uv() -> str:
    """The uv that runs us, the one that the Makefile brought, or the one on the PATH."""
    brought = PROJECT / ".tools" / "bin" / "uv"
    candidates = (os.environ.get("UV"), str(brought) if brought.exists() else None, shutil.which("uv"))
    for candidate in candidates:
        if candidate:
            return candidate
    raise EmulatorUnusable("uv is needed to install MiniStack and was not found; `make up` brings it.")


async def ready(emulator: Emulator) -> None:
    """Return when it answers. Raises TimeoutError."""
    await until(partial(answers, emulator), START_PATIENCE)


def answers(emulator: Emulator) -> bool:
    """Whether it does now."""
    try:
        with urllib.request.urlopen(f"{emulator.url}/_ministack/ready", timeout=5) as answer:  # noqa: S310 - http
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
