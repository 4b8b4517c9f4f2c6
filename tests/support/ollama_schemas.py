"""Ollama's published OpenAPI description, to hold requests and answers against."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import yaml

_FILE: Final = Path(__file__).with_name("ollama-openapi.yaml")
REQUESTS: Final = {
    "/api/chat": "ChatRequest",
    "/api/embed": "EmbedRequest",
    "/api/show": "ShowRequest",
}
"""The schema of a request's body by its path."""


@cache
def _description() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    components = _description()["components"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    return jsonschema_rs.Draft202012Validator(schema)


def properties(name: str) -> frozenset[str]:
    """The members that a schema knows."""
    return frozenset(_description()["components"]["schemas"][name]["properties"])


def misfit(name: str, value: object) -> str:
    """What is wrong with a value by the schema of this name; empty where nothing is, or there is no name."""
    found = next(iter(_validator(name).iter_errors(value)), None) if name else None
    return "" if found is None else f"{list(found.instance_path)}: {found.message}"
