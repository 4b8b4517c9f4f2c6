"""Which distributions an artifact holds, with their hashes, from the lock."""

import re
import subprocess
from collections.abc import Iterable
from functools import cache
from typing import Final

from infra.build.targets import BuildFailed, Target
from infra.local.emulator import EmulatorUnusable, find_uv
from infra.local.home import PROJECT

# Lambda's runtime has them already.
RUNTIME: Final = "aws"
_NAME: Final = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_ENTRY: Final = re.compile(r"^[A-Za-z0-9].*(?:\n[ \t].*)*", re.MULTILINE)


def of_layer(extras: Iterable[str] = ()) -> list[str]:
    """What the layer needs, as lines of a requirements file, and the optional groups that are wanted."""
    groups = [option for group in extras for option in ("--group", group)]
    held = _without(_exported("--no-default-groups", *groups), _names(_only(RUNTIME)))
    # Some need what the runtime has as well; the layer's own are pinned, and not the runtime's to choose.
    return sorted({*held, *_exported("--no-default-groups")})


def of_target(target: Target, extras: Iterable[str] = ()) -> list[str]:
    """What a target's artifact holds of others; for a function, what neither layer nor runtime has."""
    if target.group is None:
        return of_layer(extras)
    return _without(_only(target.group), _names(of_layer(extras)) | _names(_only(RUNTIME)))


def of_runtime() -> list[str]:
    """What the Lambda runtime brings, for an interpreter that stands in for it."""
    return _only("lambda-runtime")


def _only(group: str) -> list[str]:
    return _exported("--only-group", group)


@cache
def _exported(*options: str) -> list[str]:
    """The entries of the lock, each with its hashes. Raises BuildFailed."""
    command = [uv(), "export", "--locked", "--no-emit-project", "--no-annotate", "--no-header", *options]
    exported = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if exported.returncode:
        raise BuildFailed(f"uv cannot read the lock: {exported.stderr.strip()}")
    return _ENTRY.findall(exported.stdout)


def _names(entries: Iterable[str]) -> set[str]:
    return {name for entry in entries for name in _NAME.findall(entry)}


def _without(entries: Iterable[str], names: set[str]) -> list[str]:
    return [entry for entry in entries if not _names([entry]) & names]


def uv() -> str:
    """The uv to work with. Raises BuildFailed."""
    try:
        return find_uv()
    except EmulatorUnusable as error:
        raise BuildFailed(str(error)) from error
