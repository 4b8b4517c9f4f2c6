"""Importing what a developer is editing: a module that fails is told with its place, and others go on."""

import importlib
import traceback
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Broken:
    """A function whose module could not be imported: what went wrong, and the whole trace."""

    reason: str
    trace: str


def import_member(module: str, name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """`name` of `module`, or `Broken`."""
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a module that is being edited may raise anything
        return Broken(_where(error), _own_frames(error))


def _own_frames(error: BaseException) -> str:
    """The traceback without the frames of the import itself, which tell nobody anything."""
    trace = traceback.TracebackException.from_exception(error)
    kept = [frame for frame in trace.stack if _is_code(frame.filename)]
    trace.stack = traceback.StackSummary.from_list(kept)
    return "".join(trace.format())


def _is_code(filename: str) -> bool:
    return "importlib" not in filename and filename != __file__


def _where(error: BaseException) -> str:
    """The error in one line, with the place in the code that it points at."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__} in {error.filename}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_code(frame.filename)]
    place = f" in {own[-1].filename}, line {own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{place}: {error}"
