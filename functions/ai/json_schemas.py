"""JSON schemas that callers bring: bounded before a model is asked, held against its answer after.

https://json-schema.org/draft/2020-12. Strangers write them, so: references lead only to places in the schema
itself, nothing is fetched, patterns run in linear time (and so have no look-around), and what would unfold to
more than MOST_STEPS pieces is refused.
"""

import json
from typing import Any, Final
from urllib.parse import unquote

from common.errors import BadRequest

type Json = dict[str, Any]

MOST_STEPS: Final = 20_000
MOST_PATTERNS: Final = 20
"""Each takes up to a megabyte when it is compiled."""
MOST_CHECKS: Final = 1_000_000
"""So often a part of an answer may be held against a schema that refers to itself."""
LARGEST: Final = 100_000
"""In characters of JSON."""
DEEPEST: Final = 100
DEEPEST_VALUE: Final = 200
"""Of an answer: the validator goes down both at once, and a process whose stack is full is gone."""

_LONGEST_COMPLAINT: Final = 300
_LARGEST_PATTERN: Final = 1_000_000
_DEFINITIONS: Final = ("$defs", "definitions")
# They would lead elsewhere, or change what others lead to.
_REFUSED: Final = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor")


class SchemaRefused(BadRequest):
    """The JSON schema in `response_format` is none, or none that answers can be held against."""

    code = "schema_refused"
    detail = "The JSON schema in `response_format` cannot be used."


def check_schema(schema: Json) -> None:
    """Raises SchemaRefused, which says why."""
    try:
        size = len(json.dumps(schema))
    except RecursionError:
        size = LARGEST + 1
    if size > LARGEST:
        raise SchemaRefused(f"The JSON schema is larger than {LARGEST} characters.")
    _Unfolding(schema).walk(schema, ())
    if _patterns(schema) > MOST_PATTERNS:
        raise SchemaRefused(f"The JSON schema has more than {MOST_PATTERNS} patterns.")
    _validator(schema)


def complaint(schema: Json, value: object) -> str:
    """What is wrong with a value, in one line; empty where it fits. The schema has passed `check_schema`."""
    depth = _depth(value)
    if depth > DEEPEST_VALUE:
        return f"#: It nests deeper than {DEEPEST_VALUE} levels."
    unfolding = _Unfolding(schema)
    unfolding.walk(schema, ())
    if unfolding.checks(depth) > MOST_CHECKS:
        return "#: It nests too deeply for a schema that refers to itself so often."
    try:
        found = next(iter(_validator(schema).iter_errors(value)), None)
    except ValueError:
        # Texts are UTF-8 to it.
        return "#: It has half of a surrogate pair, or nests too deeply."
    if found is None:
        return ""
    place = "/".join(["#", *map(str, found.instance_path)])
    return f"{place}: {found.message}"[:_LONGEST_COMPLAINT]


def _patterns(node: object) -> int:
    if isinstance(node, list):
        return sum(map(_patterns, node))
    if not isinstance(node, dict):
        return 0
    named = node.get("patternProperties")
    own = isinstance(node.get("pattern"), str) + (len(named) if isinstance(named, dict) else 0)
    return own + sum(map(_patterns, node.values()))


def _depth(value: object) -> int:
    """How many lists and objects are within each other; one beyond DEEPEST_VALUE at most is counted."""
    level, depth = [value], 0
    while (
        level := [each for each in level if isinstance(each, dict | list) and each]
    ) and depth <= DEEPEST_VALUE:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _validator(schema: Json) -> Any:  # noqa: ANN401 - the class is the draft's, which `$schema` names
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            schema,
            retriever=_fetch_nothing,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_LARGEST_PATTERN),
        )
    except ValueError as error:
        first = str(error).partition("\n")[0][:_LONGEST_COMPLAINT]
        raise SchemaRefused(f"The JSON schema cannot be used: {first}") from None


def _fetch_nothing(uri: str) -> Json:
    raise ValueError(f"{uri} is not fetched")


class _Unfolding:
    """A walk through a schema as its validator takes it: each reference followed, but not in circles."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._steps = self._circles = 0
        self._looks_again = False

    def walk(self, node: object, behind: tuple[str, ...], depth: int = 0) -> None:
        """Raises SchemaRefused where it is too long or too deep, or leads elsewhere."""
        self._steps += 1
        if self._steps > MOST_STEPS or depth > DEEPEST:
            raise SchemaRefused("The JSON schema is too intricate: nest less, and refer to less.")
        if isinstance(node, list):
            for each in node:
                self.walk(each, behind, depth + 1)
        elif isinstance(node, dict):
            self._object(node, behind, depth)

    def _object(self, node: Json, behind: tuple[str, ...], depth: int) -> None:
        for name in _REFUSED:
            if isinstance(node.get(name), str):
                raise SchemaRefused(f"The JSON schema has {name}, which is not supported.")
        if node is not self._root and isinstance(node.get("$id"), str):
            raise SchemaRefused("Only the JSON schema as a whole may have $id.")
        self._looks_again |= "unevaluatedProperties" in node or "unevaluatedItems" in node
        reference = node.get("$ref")
        if isinstance(reference, str) and reference in (*behind, "#"):
            self._circles += 1
        elif isinstance(reference, str):
            self.walk(self._target(reference), (*behind, reference), depth + 1)
        # Whatever it is called: a property may have the name of any keyword.
        for name, value in node.items():
            circles = self._circles
            self.walk(value, behind, depth + 1)
            if node is self._root and name in _DEFINITIONS:
                # Held against nothing but where something refers to it.
                self._circles = circles

    def checks(self, depth: int) -> float:
        """How often a part of a value that nests so deeply may be looked at: once more in each circle."""
        circles = self._circles * (2 if self._looks_again else 1)
        return float(max(1, circles)) ** min(depth, DEEPEST)

    def _target(self, reference: str) -> object:
        found: object = self._root
        if reference != "#" and not reference.startswith("#/"):
            raise SchemaRefused("A $ref in the JSON schema must lead to a place in the schema itself: #/…")
        for part in reference.split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise SchemaRefused(f"A $ref in the JSON schema leads nowhere: {reference[:100]}")
        return found
