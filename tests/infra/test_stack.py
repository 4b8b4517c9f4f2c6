"""One real stack, from its first start to its end, as a newcomer and an unlucky day would use it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from infra.local.demo import read_demo
from infra.local.erase import erase
from infra.local.home import PROJECT, Home
from infra.local.ports import is_free
from infra.local.state import Process, Stack, read_stack, running_stack
from infra.local.watch import FOLDERS
from tests.support.fixtures import ENVIRONMENT

START_SECONDS = 180.0  # the first start on a machine downloads the emulator
PATIENCE = 40.0
PASSWORD = "correct horse battery"
PORTS = ("--port", "0", "--postgres-port", "0", "--emulator-port", "0")
# What the tests' own environment sets would win over the stack's.
SET_BY_TESTS = ("DATABASE_URL", "STAGE", *ENVIRONMENT)


class Checkout:
    """A copy of the sources, to edit, and the home of its stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.home = Home(self.folder / ".lambkin")
        for name in FOLDERS:
            shutil.copytree(PROJECT / name, self.folder / name)
        (self.folder / ".tools").symlink_to(PROJECT / ".tools")  # uv, where the Makefile brought it
        tools = os.environ.get("LAMBKIN_TOOLS", str(PROJECT / ".lambkin" / "tools"))
        self._environment = {
            name: value for name, value in os.environ.items() if name not in SET_BY_TESTS
        } | {
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(self.folder / "layers")]),
            "LAMBKIN_TOOLS": tools,
            "PASSWORD_HASH_KIB": "1024",
            "PASSWORD_HASH_PASSES": "1",
        }
        self._environment.pop("LAMBKIN_HOME", None)

    def lambkin(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end: its exit code, and what it said."""
        ended = subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return ended.returncode, (ended.stdout + ended.stderr).strip()

    def up(self, *options: str) -> tuple[subprocess.Popen[bytes], Stack]:
        """Start a stack; returns when it has told that it is ready."""
        log = self.folder / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "up", *PORTS, *options],
                env=self._environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def ready() -> Stack | None:
            said = log.read_text()
            assert process.poll() is None, said
            return running_stack(self.home) if "Ctrl-C stops everything" in said else None

        return process, until(ready, START_SECONDS)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path)
    yield made
    stack = read_stack(made.home)
    for process in [stack.supervisor, *stack.children.values()] if stack else []:
        process.signal(signal.SIGKILL)
    with suppress(FileNotFoundError):
        erase(made.home)


def until[T](condition: Callable[[], T | None], patience: float = PATIENCE) -> T:
    deadline = time.monotonic() + patience
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def register(client: httpx.Client, email: str) -> None:
    """Register, open the link of the mail."""
    answer = client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 202, answer.text

    def link() -> str | None:
        for mail in client.get("/_lambkin/mails.json").json():
            if email in mail["recipients"]:
                text = client.get(f"/mailbox/{mail['id']}/mail.json").json()["text"]
                return str(re.findall(r"/verify-email\?token=(\S+)", text)[0])
        return None

    answer = client.post("/v1/auth/verify-email", json={"token": until(link)})
    assert answer.is_success, answer.text


def sign_in(client: httpx.Client, email: str, password: str = PASSWORD) -> dict[str, str]:
    answer = client.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def whoever_signed_in_is(client: httpx.Client, headers: dict[str, str], email: str) -> bool:
    with suppress(httpx.TransportError):
        answer = client.get("/v1/users/me", headers=headers)
        return answer.status_code == 200 and answer.json()["email"] == email
    return False


def kill(home: Home, name: str) -> Process:
    """SIGKILL a child; returns what runs in its place."""
    before = running_stack(home)
    assert before is not None
    before.children[name].signal(signal.SIGKILL)

    def replaced() -> Process | None:
        now = running_stack(home)
        fresh = now.children[name] if now else None
        return fresh if fresh is not None and fresh != before.children[name] and fresh.alive() else None

    return until(replaced)


def all_but_ollama_work(client: httpx.Client) -> bool:
    report = client.get("/v1/health/ready").json()
    probes = [*report["probes"], *report["functions"]]
    return {probe["name"] for probe in probes if probe["state"] != "ok"} <= {"ollama"}


def assert_pages_and_documents_are_there(client: httpx.Client) -> None:
    for page in ("/", "/docs", "/mailbox"):
        assert client.get(page).status_code == 200, page
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/auth/login", "/v1/users/me", "/v1/health/ready"} <= paths.keys()
    # The first calls of a client of AWS may take longer than a probe waits.
    until(lambda: all_but_ollama_work(client) or None)


def assert_the_doctor_finds_all_well_but_ollama(checkout: Checkout) -> None:
    found = json.loads(checkout.lambkin("doctor", "--json")[1])
    complaints = {(edge["edge"], edge["state"]) for edge in found["edges"] if edge["state"] != "ok"}
    assert complaints <= {("function → ollama", "warning")}, found
    assert len(found["edges"]) == 8


def assert_ended(stack: Stack) -> None:
    until(lambda: not any(process.alive() for process in stack.children.values()))
    assert is_free(httpx.URL(stack.url).port or 0)
    assert stack.postgres_port is not None
    assert is_free(stack.postgres_port)


def assert_an_edit_is_served(checkout: Checkout, client: httpx.Client) -> None:
    """A broken source breaks its own function, and says where; the mended one serves again."""
    source = checkout.folder / "functions" / "users" / "endpoints" / "me.py"
    whole = source.read_text()
    source.write_text(f"{whole}\nthis is no Python\n")
    broken = until(lambda: with_status(client, "/v1/users/livez", 503))
    assert broken.json()["code"] == "function_broken"
    assert "me.py, line" in broken.json()["detail"]
    assert client.get("/v1/auth/livez").status_code == 200
    source.write_text(whole)
    until(lambda: with_status(client, "/v1/users/livez", 200))


def with_status(client: httpx.Client, path: str, status: int) -> httpx.Response | None:
    answer = client.get(path)
    return answer if answer.status_code == status else None


def test_a_stack_starts_serves_survives_its_childrens_deaths_and_stops(checkout: Checkout) -> None:
    process, stack = checkout.up()
    home = checkout.home
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        assert_pages_and_documents_are_there(client)

        where = f"The stack runs already at {stack.url} (pid {process.pid}). `lambkin down` stops it."
        assert checkout.lambkin("up") == (1, where)
        code, said = checkout.lambkin("reset", "--yes")
        assert code == 1
        assert "stop it first" in said

        register(client, "ada@lambkin.example")
        headers = sign_in(client, "ada@lambkin.example")
        for name in ("database", "server"):
            kill(home, name)
            until(lambda: whoever_signed_in_is(client, headers, "ada@lambkin.example"))
        kill(home, "emulator")
        kill(home, "jobs")
        register(client, "grace@lambkin.example")
        assert_an_edit_is_served(checkout, client)

        demo = read_demo(home)
        assert demo is not None
        assert home.demo_file.stat().st_mode & 0o777 == 0o600
        for account in demo.accounts:
            sign_in(client, account.email, account.password)
        assert checkout.lambkin("seed")[1].count("(there already)") == len(demo.accounts)

    last = running_stack(home)
    assert last is not None
    assert checkout.lambkin("down") == (0, f"The stack at {stack.url} has stopped; its data is kept.")
    assert process.wait(10) == 0
    assert_ended(last)

    assert_the_data_is_there_over_lambda_events(checkout)
    code, said = checkout.lambkin("reset", "--yes")
    assert code == 0, said
    assert not home.postgres.exists()
    assert not home.secrets_file.exists()


def assert_the_data_is_there_over_lambda_events(checkout: Checkout) -> None:
    """A second start, and the end of a supervisor that is killed."""
    process, stack = checkout.up("--transport", "lambda", "--no-reload")
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        headers = sign_in(client, "ada@lambkin.example")
        assert whoever_signed_in_is(client, headers, "ada@lambkin.example")
        refused = client.post("/v1/auth/login", content=b"x" * 6_400_000)
        assert refused.status_code == 413
        assert refused.json()["code"] == "content_too_large"
        assert_pages_and_documents_are_there(client)
        assert_the_doctor_finds_all_well_but_ollama(checkout)
    process.kill()
    process.wait(10)
    if sys.platform == "linux":
        assert_ended(stack)
    code, said = checkout.lambkin("down")
    assert code == 0
    assert "No stack runs here." in said
    assert_ended(stack)
