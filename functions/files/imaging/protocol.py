"""The lines between parent and child: one JSON object each, at most MAX_LINE bytes.

The child is not believed: it may be in the hands of the file that it decodes. What it answers is checked
against the shapes of `outcomes`, and every path against the folder that it was given.
"""

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from functions.files.imaging.limits import Limits
from functions.files.imaging.outcomes import (
    DecoderUnavailable,
    Processed,
    Rejected,
    Transformed,
    TransformSpec,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_LINE: Final = 64 * 1024


class Nonsense(Exception):
    """A line that nobody sends who keeps to the protocol."""


def dump(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    return json.dumps(message, default=_plain, separators=(",", ":")).encode() + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(type(value).__name__)


def request(line: bytes) -> tuple[str, dict[str, Any]]:
    """What the parent asks for: the operation and its arguments."""
    message = json.loads(line)
    arguments: dict[str, Any] = message["arguments"]
    arguments |= {name: Path(arguments[name]) for name in ("source", "into")}
    arguments["limits"] = Limits(**arguments["limits"])
    if "spec" in arguments:
        arguments["spec"] = TransformSpec(**arguments["spec"])
    return str(message["operation"]), arguments


def answer[Outcome: (Processed, Transformed)](line: bytes, shape: type[Outcome], into: Path) -> Outcome:
    """What the child made.

    Raises Rejected, DecoderUnavailable, or Nonsense where the line is none of these.
    """
    try:
        message = json.loads(line)
        if "rejected" in message:
            rejected = message["rejected"]
            raise Rejected(str(rejected["code"]), str(rejected["detail"])[:500], int(message["peak"]))
        if "unavailable" in message:
            raise DecoderUnavailable(str(message["unavailable"])[:500])
        made = message["made"] | {"peak_bytes": message["peak"]}
        outcome: Outcome = _adapters()[shape].validate_python(made)
    except (ValueError, KeyError, TypeError) as error:
        raise Nonsense(str(error)) from error
    return _checked(outcome, into)


@cache
def _adapters() -> "dict[type[Processed | Transformed], TypeAdapter[Any]]":
    from pydantic import TypeAdapter

    return {shape: TypeAdapter(shape) for shape in (Processed, Transformed)}


def _checked[Outcome: (Processed, Transformed)](outcome: Outcome, into: Path) -> Outcome:
    """The outcome with the lengths that its files really have. Raises Nonsense for a path from elsewhere."""
    if isinstance(outcome, Transformed):
        return replace(outcome, bytes=_length(outcome.path, into))
    if outcome.cleaned is not None:
        _length(outcome.cleaned, into)
    renditions = tuple(replace(each, bytes=_length(each.path, into)) for each in outcome.renditions)
    return replace(outcome, renditions=renditions)


def _length(path: Path, into: Path) -> int:
    """The length of a plain file that lies in the folder itself."""
    try:
        found = path.lstat()
    except OSError as error:
        raise Nonsense(f"{path.name} is missing") from error
    if path.parent != into or not stat.S_ISREG(found.st_mode):
        raise Nonsense(f"{path.name} is no file of this job")
    return found.st_size
