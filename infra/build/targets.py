"""What there is to build: the layer, an artifact for each function, and the migrate function."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from common.functions import FUNCTIONS
from infra.local.home import PROJECT

type Architecture = Literal["x86_64", "arm64"]

ARCHITECTURES: Final[tuple[Architecture, ...]] = ("x86_64", "arm64")
# What wheels call the Lambda runtime of Python 3.13, which is Amazon Linux 2023 with glibc 2.34.
PLATFORMS: Final[dict[Architecture, str]] = {
    "x86_64": "x86_64-manylinux_2_28",
    "arm64": "aarch64-manylinux_2_28",
}
PYTHON_VERSION: Final = "3.13"
LAYER: Final = "layer"
MIGRATE: Final = "migrate"
_RESOURCE: Final = re.compile(r"(?P<name>[A-Z][A-Za-z0-9]*?)(Function|Jobs)")
_RESOURCES: Final = {"CommonLayer": LAYER, "MigrateFunction": MIGRATE}


class BuildFailed(Exception):
    """An artifact cannot be made; the message says why, and what to do."""


@dataclass(frozen=True)
class Target:
    """One artifact. `group` names what it needs beyond the layer; `packages` is its own code.

    `packages` are folders below `source`; `mounted_at` is where Lambda puts the artifact, and `below` where
    in it the code lies.
    """

    name: str
    group: str | None
    source: str
    packages: tuple[str, ...]
    mounted_at: str = "/var/task"
    below: str = ""


def names() -> tuple[str, ...]:
    """The names of all artifacts, the layer first."""
    return (LAYER, *FUNCTIONS, MIGRATE)


def target(name: str) -> Target:
    """The artifact with this name. Raises BuildFailed where there is none."""
    if name == LAYER:
        return Target(LAYER, None, "layers", ("common",), mounted_at="/opt", below="python")
    if name == MIGRATE:
        return Target(MIGRATE, "migrations", ".", ("migrations",))
    if name not in FUNCTIONS or not (PROJECT / "functions" / name).is_dir():
        raise BuildFailed(f"There is no {name} to build: there are {', '.join(names())}.")
    return Target(name, name, ".", (f"functions/{name}",))


def of_resource(logical_id: str) -> Target:
    """The artifact of a resource of template.yaml: `AuthFunction` and `AuthJobs` both have that of `auth`."""
    if logical_id in _RESOURCES:
        return target(_RESOURCES[logical_id])
    found = _RESOURCE.fullmatch(logical_id)
    if found is None:
        raise BuildFailed(f"{logical_id} is not the name of a function, of its jobs, or of the layer.")
    return target(found["name"].lower())
