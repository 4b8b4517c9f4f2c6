"""Addresses as settings give them, and as they may be shown."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from common.settings import Settings

_PORTS: Final = {
    "http": 80,
    "https": 443,
    "smtp": 25,
    "smtps": 465,
    "postgresql": 5432,
    "postgres": 5432,
    "tcp": 3310,
}
IN_DOCKER: Final = {
    "DATABASE_URL": "pgsql:5432",
    "OLLAMA_URL": "http://ollama:11434",
    "AWS_ENDPOINT_URL": "http://localstack:4566",
    "SMTP_URL": "smtp://mailpit:1025",
    "SCANNER_URL": "tcp://clamav:3310",
    "INTERNAL_URL": "http://backend:8000",
    "FUNCTION_URLS": "http://backend:8000",
}
"""What the settings are in the Docker network."""
FOR_BROWSERS: Final = {
    "PUBLIC_URL": "http://localhost:8000",
    "FRONTEND_URL": "http://localhost:3000",
    "S3_PUBLIC_URL": "http://localhost:8000",
}
"""What they are for a browser on the machine that runs the Docker network."""


class Malformed(Exception):
    """The address cannot be read; the message is a sentence without it, as it may hold a password."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a setting leads. `given` tells a setting that somebody has set from one left at its default."""

    setting: str
    scheme: str
    host: str
    port: int
    path: str = ""
    given: bool = True

    @property
    def address(self) -> str:
        """Scheme, host and port: user and password are left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def place(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_network_name(self) -> bool:
        """Whether it is a name without a dot, such as services have in a Docker network."""
        return "." not in self.host and ":" not in self.host and self.host != "localhost"

    @property
    def is_loopback(self) -> bool:
        """Whether it means the machine or the container that asks."""
        return is_loopback(self.host)

    @property
    def in_docker(self) -> str:
        """What the setting would be in the Docker network."""
        return IN_DOCKER.get(self.setting, "the service's name and port")

    @property
    def for_browsers(self) -> str:
        """What the setting would be for a browser."""
        return FOR_BROWSERS.get(self.setting, "an address that browsers reach")


def is_loopback(host: str) -> bool:
    """`localhost`, whatever ends with it (RFC 6761, section 6.3), 127.0.0.0/8 and ::1."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(host: str) -> bool:
    """Whether strangers may come by: neither loopback, nor a private address, nor a name of one network."""
    if is_loopback(host):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".test", ".invalid", ".lan"))


def parse(setting: str, url: str, *, given: bool = True) -> Target:
    """Raises Malformed."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.partition("+")[0]
        port = parts.port or _PORTS[scheme]
    except (ValueError, KeyError):
        raise Malformed(f"{setting} is no address with a known scheme and a port from 1 to 65535.") from None
    if not parts.hostname:
        raise Malformed(f"{setting} names no host.")
    return Target(setting, scheme, parts.hostname, port, parts.path.rstrip("/"), given)


def is_given(settings: Settings, setting: str) -> bool:
    """Whether somebody has set it, to something."""
    return setting.lower() in settings.model_fields_set and getattr(settings, setting.lower()) is not None
