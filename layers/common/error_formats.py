"""Errors in another format than RFC 9457: for paths whose clients know an API that is not ours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

PROBLEM: Final = "application/problem+json"
OTHER: Final = "application/json"


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """What a problem is told as on some paths of a function; elsewhere it stays a problem.

    `paths` are prefixes of paths, `schema` describes the body, and `body` makes it of a problem's body. The
    status and the headers stay what they are.
    """

    paths: tuple[str, ...]
    schema: type[BaseModel]
    body: Callable[[dict[str, Any]], dict[str, Any]]

    def is_of(self, path: str) -> bool:
        """Whether errors on this path, or below it, are told so."""
        return any(path == each or path.startswith(f"{each}/") for each in self.paths)

    def describe(self, document: dict[str, Any]) -> None:
        """Have the descriptions of operations on these paths say so, in place."""
        template = "#/components/schemas/{model}"
        schema = self.schema.model_json_schema(ref_template=template)
        document["components"]["schemas"] |= schema.pop("$defs", {}) | {self.schema.__name__: schema}
        for path, item in document["paths"].items():
            if self.is_of(path):
                for operation in item.values():
                    for response in operation["responses"].values():
                        self._describe(response)

    def _describe(self, response: dict[str, Any]) -> None:
        content = response.get("content", {})
        if PROBLEM not in content:
            return
        examples = content.pop(PROBLEM)["examples"]
        content[OTHER] = {
            "schema": {"$ref": f"#/components/schemas/{self.schema.__name__}"},
            "examples": {code: {"value": self.body(each["value"])} for code, each in examples.items()},
        }
