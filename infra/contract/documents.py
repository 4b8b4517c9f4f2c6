"""The documents that are committed: one a function, one for all of them, and the one of the last release."""

import importlib
import json
from pathlib import Path
from typing import Final

from infra.local import discovery
from infra.local.home import PROJECT
from infra.local.openapi_merge import Document, merge

FOLDER: Final = PROJECT / "tests" / "contract"
MERGED: Final = "openapi.json"
RELEASED: Final = "released.json"


def current() -> dict[str, Document]:
    """Today's documents by file name, from the functions themselves. Raises OpenAPIConflict."""
    served = [function for function in discovery.functions() if function.serves_http]
    documents = {
        function.name: importlib.import_module(function.app_module).app.openapi() for function in served
    }
    return {f"{name}.json": document for name, document in documents.items()} | {MERGED: merge(documents)}


def render(document: Document) -> str:
    """The text of a file: sorted, so that only what has changed differs."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write() -> list[str]:
    """Write today's documents and remove those of functions that are gone; the names of what has changed."""
    changed = []
    documents = current()
    for name, document in documents.items():
        path, text = FOLDER / name, render(document)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    for path in _orphans(documents):
        path.unlink()
        changed.append(path.name)
    return changed


def differences() -> list[str]:
    """A sentence for each committed document that is not today's; none where all is well."""
    found = []
    documents = current()
    for name, document in documents.items():
        path = FOLDER / name
        if not path.exists():
            found.append(f"{name} is missing: run `lambkin openapi`.")
        elif path.read_text(encoding="utf-8") != render(document):
            found.append(f"{name} is not what the functions say: run `lambkin openapi` and read the diff.")
    orphans = _orphans(documents)
    return found + [f"{path.name} belongs to no function: run `lambkin openapi`." for path in orphans]


def released() -> Document:
    """The merged document of the last release; empty before the first."""
    path = FOLDER / RELEASED
    if not path.exists():
        return {}
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    return document


def release() -> None:
    """Make today's merged document the released one."""
    (FOLDER / RELEASED).write_text(render(current()[MERGED]), encoding="utf-8")


def _orphans(documents: dict[str, Document]) -> list[Path]:
    return [path for path in sorted(FOLDER.glob("*.json")) if path.name not in {*documents, RELEASED}]
