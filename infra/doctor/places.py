"""Where this runs, and from whose place in the network it looks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from common.functions import FUNCTIONS

HOST_SERVICE: Final = "host"
FRONTEND_SERVICE: Final = "frontend"
SERVICES: Final = (HOST_SERVICE, FRONTEND_SERVICE, *FUNCTIONS)
_SIGNS_OF_A_CONTAINER: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))


class Place(StrEnum):
    """A kind of place: it decides what `localhost` is, and which names are known."""

    HOST = "host"
    CONTAINER = "container"
    LAMBDA = "lambda"


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """`here` is where this process runs, `there` where the service lives for which it looks.

    `service` is None where it looks for all of them. `stack_url` is that of a stack of `lambkin up`, where
    one runs: then everybody lives on this machine; `why` tells why there is none to look at.
    """

    here: Place
    there: Place
    service: str | None = None
    stack_url: str = ""
    sign: str = ""
    why: str = ""

    @property
    def outside(self) -> bool:
        """Whether the service's own names and its `localhost` cannot be tried from here."""
        return self.here is not self.there

    @property
    def looks_at_functions(self) -> bool:
        """Whether what functions need is of interest."""
        return self.service is None or self.service in FUNCTIONS

    @property
    def looks_at_browsers(self) -> bool:
        """Whether what browsers need is of interest."""
        return self.service in (None, HOST_SERVICE, FRONTEND_SERVICE)

    @property
    def functions(self) -> tuple[str, ...]:
        """Those for which it looks."""
        return (self.service,) if self.service in FUNCTIONS else FUNCTIONS

    def sentence(self) -> str:
        """From where it looks, and why it thinks so."""
        if self.stack_url:
            return f"Looking from this machine at the stack that runs here, {self.stack_url}."
        if self.sign and self.here is Place.HOST:
            return f"Looking from here, taken for the host although {self.sign}."
        where = {
            Place.HOST: "from this machine, outside of any container",
            Place.CONTAINER: f"from inside a container ({self.sign})",
            Place.LAMBDA: "from inside Lambda",
        }[self.here]
        if self.outside:
            return f"Looking {where}, for {self.service} in its container: what only it can see is not tried."
        whom = f" for {self.service}" if self.service else ""
        why = f": {self.why}" if self.why else ""
        return f"Looking {where}{whom}, with the settings of the environment{why}."


def detect(environment: Mapping[str, str] = os.environ) -> tuple[Place, str]:
    """The place that this process runs in, and the sign that gives it away."""
    if "AWS_LAMBDA_FUNCTION_NAME" in environment:
        return Place.LAMBDA, "AWS_LAMBDA_FUNCTION_NAME is set"
    if "KUBERNETES_SERVICE_HOST" in environment:
        return Place.CONTAINER, "KUBERNETES_SERVICE_HOST is set"
    for path in _SIGNS_OF_A_CONTAINER:
        if path.exists():
            return Place.CONTAINER, f"{path} is there"
    return Place.HOST, ""


def viewpoint(
    service: str | None, stack_url: str = "", environment: Mapping[str, str] = os.environ
) -> Viewpoint:
    """From where to look: on a machine without a stack, a named service lives in the Docker network.

    Who says `host` knows better than the signs of a container.
    """
    if stack_url:
        return Viewpoint(Place.HOST, Place.HOST, service, stack_url)
    here, sign = detect(environment)
    if service == HOST_SERVICE:
        here = Place.HOST
    in_a_network = here is Place.HOST and service not in (None, HOST_SERVICE)
    why = "DATABASE_URL is set" if "DATABASE_URL" in environment else "no stack of `lambkin up` runs here"
    return Viewpoint(here, Place.CONTAINER if in_a_network else here, service, sign=sign, why=why)
