"""The Python files of the project, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from infra.local.home import PROJECT

FOLDERS: Final = ("functions", "layers", "infra", "migrations", "tests")
SHIPPED: Final = ("functions", "layers", "migrations")

type Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file; `path` is relative to the project."""

    path: Path

    @cached_property
    def text(self) -> str:
        return (PROJECT / self.path).read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """What the file is in its function's folder: `service` for functions/auth/service.py."""
        return self.path.parts[2].removesuffix(".py")

    def __str__(self) -> str:
        return str(self.path)

    def definitions(self) -> Iterator[Definition]:
        """Every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def imports(self) -> Iterator[tuple[str, str | None, str]]:
        """Module, imported name (None for a whole module), and the name that it has here."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, None, alias.asname or alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.module, alias.name, alias.asname or alias.name) for alias in node.names)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """All files below these folders of the project."""
    found = (path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py")))
    return tuple(Source(path.relative_to(PROJECT)) for path in found)


def function_sources() -> tuple[Source, ...]:
    """The files in the folders of functions."""
    return tuple(source for source in sources("functions") if len(source.path.parts) > 2)


def lines_without_docstring(node: Definition | ast.Module) -> int:
    """The lines of a function with its signature, or of a module, less those of its docstring."""
    first, last = (node.lineno, node.end_lineno) if not isinstance(node, ast.Module) else (1, _last(node))
    return (last or first) - first + 1 - _docstring_lines(node)


def body_lines(node: Definition) -> int:
    """The lines from the first statement after the docstring to the last."""
    body = node.body[1:] if _docstring_lines(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _last(node: ast.Module) -> int:
    return (node.body[-1].end_lineno or 0) if node.body else 0


def _docstring_lines(node: Definition | ast.Module) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    docstring = node.body[0]
    return (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
