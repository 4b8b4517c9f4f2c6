"""An OpenAPI document as what a client can notice of it: operations without words, references resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

type Json = Any
type Schema = dict[str, Any] | bool

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# They explain a schema to people and do not change what fits it.
_WORDS: Final = frozenset({"title", "description", "examples", "example", "externalDocs", "$comment"})
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})


@dataclass(frozen=True)
class Parameter:
    """A value in the query, the path, a header or a cookie."""

    required: bool
    schema: Schema


@dataclass(frozen=True)
class Body:
    """What a request carries, by media type."""

    required: bool
    content: Mapping[str, Schema]


@dataclass(frozen=True)
class Answer:
    """A response: its schemas by media type, the headers it names, the codes of its problems."""

    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Operation:
    """Two that are equal are the same to every client.

    `security` is a list of alternatives, each of schemes to scopes; empty where nothing is needed.
    """

    operation_id: str
    parameters: Mapping[tuple[str, str], Parameter]
    body: Body | None
    answers: Mapping[str, Answer]
    security: tuple[Mapping[str, frozenset[str]], ...] = ()
    deprecated: bool = False


def operations(document: Mapping[str, Json]) -> dict[str, Operation]:
    """All operations of a document by `METHOD /path`."""
    read = _Reader(document)
    return {
        f"{method.upper()} {path}": read.operation(item[method], item.get("parameters", []))
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    }


class _Reader:
    """Reads one document, whose components its references point into."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._document = document

    def operation(self, described: Json, shared_parameters: list[Json]) -> Operation:
        parameters = [self._target(each) for each in [*shared_parameters, *described.get("parameters", [])]]
        answers = described.get("responses", {})
        security = described.get("security", self._document.get("security", []))
        return Operation(
            operation_id=described.get("operationId", ""),
            parameters={_key(each): self._parameter(each) for each in parameters},
            body=self._body(described.get("requestBody")),
            answers={status: self._answer(self._target(each)) for status, each in answers.items()},
            security=tuple(
                {scheme: frozenset(scopes) for scheme, scopes in each.items()} for each in security
            ),
            deprecated=bool(described.get("deprecated", False)),
        )

    def _parameter(self, described: Json) -> Parameter:
        return Parameter(bool(described.get("required")), self._schema(described.get("schema", {})))

    def _body(self, described: Json) -> Body | None:
        if described is None:
            return None
        target = self._target(described)
        return Body(bool(target.get("required")), self._content(target))

    def _answer(self, described: Json) -> Answer:
        problem = described.get("content", {}).get("application/problem+json", {})
        return Answer(
            content=self._content(described),
            headers=frozenset(name.lower() for name in described.get("headers", {})),
            codes=frozenset(problem.get("examples", {})),
        )

    def _content(self, described: Json) -> dict[str, Schema]:
        return {
            media: self._schema(each.get("schema", {}))
            for media, each in described.get("content", {}).items()
        }

    def _target(self, described: Json) -> Json:
        while "$ref" in described:
            target: Json = self._document
            for part in described["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            described = target
        return described

    def _schema(self, schema: Schema, inside: tuple[str, ...] = ()) -> Schema:
        if isinstance(schema, bool):
            return schema
        reference = schema.get("$ref")
        if reference is not None:
            # A schema that holds itself is told by its name where it does.
            return schema if reference in inside else self._schema(self._target(schema), (*inside, reference))
        return {
            keyword: self._value(keyword, value, inside)
            for keyword, value in schema.items()
            if keyword not in _WORDS
        }

    def _value(self, keyword: str, value: Json, inside: tuple[str, ...]) -> Json:
        if keyword in _BY_NAME:
            return {name: self._schema(each, inside) for name, each in value.items()}
        if keyword in _LISTS:
            return [self._schema(each, inside) for each in value]
        return self._schema(value, inside) if keyword in _SCHEMAS else value


def _key(parameter: Json) -> tuple[str, str]:
    name = parameter["name"]
    return parameter["in"], name.lower() if parameter["in"] == "header" else name
