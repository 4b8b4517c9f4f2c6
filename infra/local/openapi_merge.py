"""One OpenAPI document out of the functions' own."""

from collections.abc import Mapping
from typing import Any

type Document = dict[str, Any]


class OpenAPIConflict(Exception):
    """Two functions describe different things under one name."""


def merge(documents: Mapping[str, Document], *, title: str = "Lambkin", version: str = "1") -> Document:
    """Merge the documents of the functions, given by name. Raises `OpenAPIConflict`.

    Paths never meet. Components that several functions share must be equal; they then appear once.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "summary": "All functions behind one address."},
        "paths": {},
        "components": {},
        "tags": [],
    }
    owners: dict[str, str] = {}
    for function, document in sorted(documents.items()):
        merged["openapi"] = document.get("openapi", merged["openapi"])
        _take(merged["paths"], document.get("paths", {}), "path", function, owners)
        for section, members in document.get("components", {}).items():
            _take(merged["components"].setdefault(section, {}), members, section, function, owners)
        merged["tags"] += _tags(document, function, merged["tags"])
    return merged


def _take(target: Document, members: Document, kind: str, function: str, owners: dict[str, str]) -> None:
    for name, value in members.items():
        key = f"{kind} {name}"
        if name in target and target[name] != value:
            raise OpenAPIConflict(f"The functions {owners[key]} and {function} disagree on the {key}.")
        target[name] = value
        owners.setdefault(key, function)


def _tags(document: Document, function: str, known: list[Document]) -> list[Document]:
    """The tags that a document declares, or else one for its function; each name once."""
    names = {tag["name"] for tag in known}
    summary = document.get("info", {}).get("summary") or document.get("info", {}).get("description")
    declared = document.get("tags") or [{"name": function} | ({"description": summary} if summary else {})]
    return [tag for tag in declared if tag["name"] not in names]
