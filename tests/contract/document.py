"""The committed merged document, and examples made from it as a reader's tool would make them."""

import json
from typing import Any, Final

from jsonschema import Draft202012Validator

from infra.contract.documents import FOLDER, MERGED
from infra.contract.operations import METHODS

type Json = Any

DOCUMENT: Final[dict[str, Json]] = json.loads((FOLDER / MERGED).read_text(encoding="utf-8"))
OPERATIONS: Final[dict[str, Json]] = {
    f"{method.upper()} {path}": item[method]
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}
PROBLEM: Final = "application/problem+json"
OPENAI_ERROR: Final = {"$ref": "#/components/schemas/OpenAIError"}
# Their values explain themselves, and every tool makes them up.
PLAIN_FORMATS: Final = {
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
    "date-time": "2026-11-22T08:15:30Z",
    "date": "2026-11-22",
}


def concrete(name: str) -> str:
    """The path of an operation with values in place of its parameters; nothing there has them."""
    path = name.partition(" ")[2]
    for parameter in OPERATIONS[name].get("parameters", []):
        if parameter["in"] == "path":
            value = _example(parameter.get("schema", {}), parameter["name"])
            path = path.replace(f"{{{parameter['name']}}}", str(value))
    return path


def told_codes(answer: Json) -> dict[str, Json]:
    """The examples of a described refusal by code: problems, or errors as OpenAI's clients know them."""
    content = answer.get("content", {})
    if PROBLEM in content:
        return dict(content[PROBLEM].get("examples", {}))
    other = content.get("application/json", {})
    return dict(other["examples"]) if other.get("schema") == OPENAI_ERROR else {}


def told(response: Any) -> tuple[str, str]:
    """The code and the detail of a refusal that came, in either form; empty where it is neither."""
    body = response.json()
    if response.headers["content-type"] == PROBLEM:
        return str(body["code"]), str(body["detail"])
    error = body.get("error", {})
    return str(error.get("code", "")), str(error.get("message", ""))


class NoExample(Exception):
    """Names the member of a schema that has no example."""


def resolve(schema: Json) -> Json:
    """The schema behind a reference."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def errors(value: Json, schema: Json) -> list[str]:
    """What of `value` does not fit `schema`."""
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(value)]


def example(content: Json) -> Json:
    """The example of a media type: its own, its schema's, or one made of its members'. Raises NoExample."""
    if "example" in content:
        return content["example"]
    if content.get("examples"):
        return next(iter(content["examples"].values()))["value"]
    return _example(content["schema"], "body")


def _example(schema: Json, where: str) -> Json:
    schema = resolve(schema)
    if schema.get("examples"):
        return schema["examples"][0]
    for keyword in ("const", "default"):
        # An empty default says nothing about what may stand there.
        if schema.get(keyword) not in (None, ""):
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") in PLAIN_FORMATS:
        return PLAIN_FORMATS[schema["format"]]
    return _made(schema, where)


def _made(schema: Json, where: str) -> Json:
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {name: _example(member, f"{where}.{name}") for name, member in members.items()}
        case "array":
            return [_example(schema["items"], f"{where}[]")]
        case "boolean":
            return True
        case "null":
            return None
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        return _example(choices[0], where)
    raise NoExample(where)
