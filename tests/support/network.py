"""The containers of the Docker network as plain processes on loopback.

Each runs the command that docker-compose.yml gives it, in exactly its environment. One thing is replaced, in
that environment and in the Caddyfile: the names and ports of the network, by ports of loopback.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from common.functions import FUNCTIONS
from infra.docker import healthcheck, serve
from infra.local.home import PROJECT
from infra.local.ports import LOOPBACK, free_port
from tests.support import compose
from tests.support.waiting import eventually

CADDY: Final = os.environ.get("LAMBKIN_CADDY", "")
CADDYFILE: Final = PROJECT / "infra" / "docker" / "Caddyfile"
_ADDRESS: Final = "10.223.0.2"
_START_SECONDS: Final = 30.0


class Network:
    """Which containers there are, where they listen, and which of them run."""

    def __init__(self, folder: Path, given: Mapping[str, str], there: dict[str, int]) -> None:
        """`given` is what `.env` would hold; `there` has the ports of services that run already."""
        self._folder = folder
        self._given = given
        self.services: dict[str, dict[str, Any]] = compose.read(given)["services"]
        self.ports: dict[str, int] = {
            f"{name}:{serve.PORT}": free_port() for name in (*FUNCTIONS, "backend")
        } | there
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://{LOOPBACK}:{self.ports['backend:8000']}"

    def port(self, function: str) -> int:
        """Where the function itself listens."""
        return int(self.ports[f"{function}:{serve.PORT}"])

    def replaced(self, text: str) -> str:
        """`text` with ports of loopback in place of the network's names."""
        text = text.replace("localhost:8000", f"localhost:{self.ports['backend:8000']}")
        for address, port in self.ports.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(address)}\b", f"{LOOPBACK}:{port}", text)
        return text.replace(_ADDRESS, LOOPBACK)

    def environment(self, name: str) -> dict[str, str]:
        """What the container `name` gets, and what its image sets."""
        values = compose.environment(self.services[name], self._given)
        return {key: self.replaced(value) for key, value in values.items()} | {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.scratch(name)),
        }

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the container `name`, which ends by itself."""
        return subprocess.run(
            [str(word) for word in self.services[name]["command"]],
            env=self.environment(name),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def start(self, name: str, *, wait: bool = True) -> None:
        """Start the container `name`, and wait until its health check says that it is well."""
        command = [str(word) for word in self.services[name]["command"]]
        if name in FUNCTIONS:
            command += [LOOPBACK, str(self.port(name))]
        self.launch(name, command)
        if wait:
            eventually(lambda: self.healthy(name), _START_SECONDS)

    def start_gateway(self) -> None:
        """Start Caddy with the Caddyfile."""
        text = self.replaced(CADDYFILE.read_text())
        text = text.replace("\n:8000 {", f"\n:{self.ports['backend:8000']} {{")
        # Of the container, all addresses are its own; here only loopback is ours.
        text = text.replace("{\n\tadmin off\n", f"{{\n\tadmin off\n\tdefault_bind {LOOPBACK}\n")
        written = self._folder / "Caddyfile"
        written.write_text(text)
        self.launch("backend", [CADDY, "run", "--config", str(written), "--adapter", "caddyfile"])
        eventually(lambda: healthcheck_of_gateway(self.ports["backend:8000"]), _START_SECONDS)

    def launch(self, name: str, command: Sequence[str]) -> None:
        """Run `command` in the environment of the container `name`."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment(name), cwd=PROJECT, stdout=log, stderr=log
            )

    def healthy(self, name: str) -> bool:
        """What the health check of the container says."""
        process = self.processes[name]
        assert process.poll() is None, self.log(name).read_text()
        if name in FUNCTIONS:
            return healthcheck.answers(name, LOOPBACK, self.port(name))
        test = [str(word) for word in self.services[name]["healthcheck"]["test"][1:]]
        checked = subprocess.run(test, env=self.environment(name), cwd=PROJECT, timeout=10, check=False)
        return checked.returncode == 0

    def scratch(self, name: str) -> Path:
        """The container's /tmp."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name: str) -> Path:
        """What the container has said."""
        return self._folder / f"{name}.log"

    def stop(self, name: str) -> int:
        """End it as `docker compose stop` does; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        seconds = int(str(self.services[name].get("stop_grace_period", "10s")).removesuffix("s"))
        return process.wait(seconds)

    def stop_all(self) -> None:
        """End all of them, the gateway first."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def healthcheck_of_gateway(port: int) -> bool:
    """What the gateway's health check asks: its own /livez."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=3)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
