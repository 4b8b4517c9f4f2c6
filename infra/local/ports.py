"""Ports on loopback: which are free, and who holds the others."""

import errno
import socket
from contextlib import suppress

import psutil

LOOPBACK = "127.0.0.1"


class PortTaken(Exception):
    """A port that the stack needs is held by another process; the message names it where it can."""

    def __init__(self, purpose: str, port: int, option: str) -> None:
        holder = owner_of(port)
        who = f"by {holder}" if holder else "by a process that this account cannot see"
        super().__init__(
            f"Port {port}, which the {purpose} needs, is held {who}. "
            f"Stop it, or choose another port with {option} (0 takes a free one)."
        )


def owner_of(port: int) -> str | None:
    """The process that listens on a port as `name (pid 123)`, or none where the kernel does not tell us."""
    for process in psutil.process_iter(["pid", "name"]):
        # Another account's sockets are hidden, and a process may end while it is looked at.
        with suppress(psutil.Error):
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return f"{process.info['name']} (pid {process.info['pid']})"
    return None


def is_free(port: int) -> bool:
    """Whether a server could listen on loopback's port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def choose(purpose: str, wanted: int, option: str) -> int:
    """`wanted` itself, or a free port where it is 0. Raises `PortTaken`."""
    if wanted == 0:
        return free_port()
    if not is_free(wanted):
        raise PortTaken(purpose, wanted, option)
    return wanted


def listen(port: int, option: str) -> list[socket.socket]:
    """Sockets that listen on `localhost`'s port: IPv4, and IPv6 where the machine has it.

    The supervisor keeps them open, so that requests wait while the server behind them restarts.
    Raises `PortTaken`.
    """
    try:
        first = _bind(socket.AF_INET, LOOPBACK, port)
    except OSError as error:
        raise PortTaken("gateway", port, option) from error
    sockets = [first]
    if socket.has_ipv6:
        try:
            sockets.append(_bind(socket.AF_INET6, "::1", first.getsockname()[1]))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                first.close()
                raise PortTaken("gateway", port, option) from error
    return sockets


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener
