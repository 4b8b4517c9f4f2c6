"""From a name to a connection: what does not resolve, who refuses, and why."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.places import Place, Viewpoint
from infra.doctor.targets import Target

CONNECT_SECONDS = 2.0
_MOST_ADDRESSES: Final = 4
_UNREACHABLE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM)
_INSIDE: Final = "docker compose exec {} lambkin doctor"


@dataclass
class Way:
    """The way to one server, and what was learnt on it.

    `browser` tells that browsers go it: they know no Docker name, and their `localhost` is their own.
    `start` is what to do where the server is on this machine and does not run.
    """

    target: Target
    view: Viewpoint
    browser: bool = False
    start: str = "Start it (`lambkin up`, `docker compose up`)"
    addresses: list[str] = field(default_factory=list)
    peer: str = ""

    @property
    def checks(self) -> tuple[Check, Check]:
        """The first two of every chain."""
        return Check("name", self.resolve), Check("connect", self.connect)

    def resolve(self) -> Iterator[Finding]:
        """Find the addresses of the name."""
        target = self.target
        if self.view.outside and not self.browser:
            yield from self._from_outside()
        if self.browser and target.is_network_name and self.view.here is not Place.HOST:
            yield failed(
                f"`{target.host}` is a name of the Docker network: no browser knows it.",
                f"Set {target.setting} to what browsers reach, {target.for_browsers} for example.",
            )
        if self.browser and target.is_loopback and self.view.here is Place.CONTAINER:
            # Something may answer there: what this container serves itself.
            yield ok(
                f"{target.place} is for browsers outside; from inside this container it cannot be tried.",
                ends=True,
            )
        try:
            self.addresses = _look_up(target)
        except (OSError, UnicodeError) as error:
            yield self._unknown(error)
        else:
            listed = ", ".join(self.addresses)
            if self.addresses != [target.host]:
                yield ok(f"{target.host} is {listed}.")

    def _from_outside(self) -> Iterator[Finding]:
        target, service = self.target, self.view.service
        if target.is_loopback:
            yield failed(
                f"In the container of {service}, `{target.host}` is that container itself: nobody "
                "else is there.",
                f"Set {target.setting} to {target.in_docker}.",
            )
        elif target.is_network_name:
            command = _INSIDE.format(service)
            yield warning(
                f"`{target.host}` is a name of the Docker network: from here nothing can be said about it.",
                f"Look from inside: `{command}`.",
                ends=True,
            )

    def _unknown(self, error: OSError | UnicodeError) -> Finding:
        target = self.target
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return failed(
                f"No name server answers the question for `{target.host}`.",
                "Check the network connection and /etc/resolv.conf; a Docker name needs a network of "
                "Compose.",
            )
        if not target.is_network_name:
            return failed(
                f"No host is called `{target.host}`.", f"Correct {target.setting}, or its entry in the DNS."
            )
        if self.view.here is Place.CONTAINER and not target.given:
            return failed(
                f"{target.setting} is not set, and its default `{target.host}` is not known in this network.",
                f"Set {target.setting}, start the service of Compose, or a stack with `lambkin up`.",
            )
        if self.view.here is Place.CONTAINER:
            return failed(
                f"`{target.host}` is not known in this network.",
                f"Is the service up (`docker compose ps`), in the same network, and {target.setting} "
                "spelt right?",
            )
        return self._docker_name()

    def _docker_name(self) -> Finding:
        target = self.target
        here = "this function" if self.view.here is Place.LAMBDA else "this machine"
        found = f"`{target.host}` is a name of the Docker network: {here} does not know it."
        if self.browser:
            return failed(
                found, f"Set {target.setting} to what browsers reach, {target.for_browsers} for example."
            )
        if not target.given:
            command = _INSIDE.format(self.view.functions[0])
            fix = f"Start a stack with `lambkin up`, set {target.setting}, or look from inside: `{command}`."
            return warning(f"{target.setting} is not set, and {found}", fix, ends=True)
        return failed(found, f"Set {target.setting} to an address that {here} reaches.")

    def connect(self) -> Iterator[Finding]:
        """Open a connection to each address, and close it."""
        errors = {}
        for address in self.addresses[:_MOST_ADDRESSES]:
            error = attempt(address, self.target.port)
            if error is None:
                self.peer = self.peer or address
            else:
                errors[address] = error
        if self.peer:
            yield ok(f"{_joined(self.peer, self.target.port)} takes connections.")
            yield from self._one_of_two(errors)
        else:
            yield self._refused(errors)

    def _one_of_two(self, errors: dict[str, OSError]) -> Iterator[Finding]:
        refused = [address for address, error in errors.items() if isinstance(error, ConnectionRefusedError)]
        if refused and self.target.is_loopback and (self.browser or self.target.setting == "INTERNAL_URL"):
            yield warning(
                f"`{self.target.host}` is also {refused[0]} here, where nothing listens; Node.js may "
                "try that first.",
                f"Have the server listen on both, or write {self.peer} in the frontend's settings.",
            )

    def _refused(self, errors: dict[str, OSError]) -> Finding:
        target = self.target
        address, error = next(iter(errors.items()))
        place = _joined(address, target.port)
        if isinstance(error, ConnectionRefusedError):
            return self._nobody(address)
        if isinstance(error, TimeoutError):
            return failed(
                f"No answer from {place} within {CONNECT_SECONDS:g} s.",
                f"A firewall or security group may drop what is sent, or {target.setting} names the "
                "wrong machine.",
            )
        if error.errno in _UNREACHABLE:
            return failed(
                f"There is no way from here to {place}.",
                f"Check the network (VPC, VPN, Docker network) and {target.setting}.",
            )
        said = error.strerror or type(error).__name__
        return failed(f"Connecting to {place} fails: {said}.", f"Check {target.setting}.")

    def _nobody(self, address: str) -> Finding:
        """Why nothing listens, as far as can be told from here."""
        target, port = self.target, self.target.port
        elsewhere = _listens_elsewhere(address, port)
        if elsewhere:
            bound = "on loopback only" if ip_address(elsewhere).is_loopback else "elsewhere"
            return failed(
                f"The server listens {bound}: {_joined(elsewhere, port)} answers, "
                f"{_joined(address, port)} refuses.",
                f"Have it listen on 0.0.0.0 (`--host 0.0.0.0`), or set {target.setting} to {elsewhere}.",
            )
        refused = f"{_joined(address, port)} refuses: nothing listens there"
        if target.is_loopback and self.view.here is Place.CONTAINER:
            return failed(
                f"{refused}. In a container, `{target.host}` is the container itself.",
                f"Set {target.setting} to {target.in_docker}.",
            )
        if self.view.stack_url:
            return failed(f"{refused}.", f"{self.start}.")
        if target.is_loopback:
            return failed(
                f"{refused}.",
                f"{self.start}; if it runs in Docker, its port is not published (only the gateway's is; "
                "`--profile debug` publishes the others).",
            )
        return failed(
            f"{refused}, though the machine is there.",
            f"Is it up, on the port that {target.setting} says, and listening on 0.0.0.0 and not on "
            "127.0.0.1?",
        )


def attempt(address: str, port: int, seconds: float | None = None) -> OSError | None:
    """Connect and hang up; what came in between."""
    try:
        with socket.create_connection((address, port), seconds or CONNECT_SECONDS):
            return None
    except OSError as error:
        return error


def _look_up(target: Target) -> list[str]:
    if target.host.endswith(".localhost"):
        # RFC 6761, section 6.3: loopback, whatever a resolver says; many do not know it.
        return ["127.0.0.1"]
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _own_addresses() -> list[str]:
    """Loopback's, then those of this machine or container."""
    found = ["127.0.0.1", "::1"]
    try:
        import psutil
    except ImportError:
        # Not in every image. A container's own name is in its /etc/hosts.
        with suppress(OSError, UnicodeError):
            found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    else:
        families = (socket.AF_INET, socket.AF_INET6)
        cards = psutil.net_if_addrs().values()
        found += [entry.address for card in cards for entry in card if entry.family in families]
    return [address for address in dict.fromkeys(found) if "%" not in address]


def _listens_elsewhere(address: str, port: int) -> str:
    """Another address of this machine that takes connections on the port, where `address` is its own."""
    own = _own_addresses()
    if address not in own and not ip_address(address).is_loopback:
        return ""
    others = (other for other in own if other != address)
    return next((other for other in others if attempt(other, port, 0.5) is None), "")


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
