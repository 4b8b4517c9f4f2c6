"""Where the functions of a stage answer, as whoever asks from here can reach them."""

import re
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from infra.deploy.stages import Stage

_FUNCTION_URL: Final = re.compile(r"https://(?P<id>[a-z0-9]+)\.lambda-url\.(?P<region>[a-z0-9-]+)\.on\.aws/?")
_SUFFIX: Final = "Url"


def function_urls(stage: Stage) -> dict[str, str]:
    """The base URL of each function, by name. Raises DeploymentFailed."""
    outputs = stage.outputs()
    return {
        name.removesuffix(_SUFFIX).lower(): reachable(address, stage.endpoint)
        for name, address in sorted(outputs.items())
        if name.endswith(_SUFFIX)
    }


def reachable(address: str, endpoint: str | None) -> str:
    """A function URL as it answers: on an emulator below its own address, whatever the emulator calls it."""
    found = _FUNCTION_URL.fullmatch(address)
    if endpoint is None or found is None:
        return address.rstrip("/")
    port = urlsplit(endpoint).port or 80
    return f"http://{found['id']}.lambda-url.{found['region']}.localhost:{port}"


def as_environment(urls: Mapping[str, str], origin: str) -> str:
    """Lines for a frontend's `.env`: the one origin where there is one, and each function's own."""
    lines = [f"LAMBKIN_{name.upper()}_URL={url}" for name, url in urls.items()]
    return "\n".join([f"LAMBKIN_URL={origin}", *lines] if origin else lines)


def resolves(url: str) -> bool:
    """Whether this machine knows the host: not all know that `*.localhost` is themselves (RFC 6761)."""
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True
