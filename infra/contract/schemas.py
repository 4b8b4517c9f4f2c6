"""Whether whatever fits one JSON schema also fits another.

One question for both directions: a request that was accepted must stay acceptable, so the old schema is sent
and the new one accepts; an answer must stay what was promised, so the new one is sent and the old accepts.
"""

from collections.abc import Iterator
from typing import Any, Final

from infra.contract.operations import Schema

_LOWER: Final = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_UPPER: Final = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
# Compared by rules of their own, or without an effect on what fits.
_HANDLED: Final = frozenset(
    {
        *_LOWER, *_UPPER, "type", "enum", "const", "properties", "required", "additionalProperties", "items",
        "anyOf", "oneOf", "default", "deprecated", "readOnly", "writeOnly", "discriminator",
    }
)  # fmt: skip


def misfits(sent: Schema, accepted: Schema, where: str, *, tolerant: bool) -> list[str]:
    """Why something that fits `sent` may not fit `accepted`: one phrase each, none where all of it does.

    `tolerant` accepts members that `accepted` does not know, as clients must; one that it does know must
    still be there. A keyword without a rule here counts as a misfit where both sides differ: it is for a
    person to judge.
    """
    found = []
    for one in _alternatives(sent):
        attempts = [_of_one(one, other, where, tolerant=tolerant) for other in _alternatives(accepted)]
        closest = min(attempts, key=len, default=[f"{where}: nothing was expected"])
        found += closest
    return found


def _alternatives(schema: Schema) -> list[dict[str, Any]]:
    """The plain schemas that this one is a choice of: `anyOf`, `oneOf` and lists of types spelled out."""
    if isinstance(schema, bool):
        return [{}] if schema else []
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        rest = {keyword: value for keyword, value in schema.items() if keyword not in ("anyOf", "oneOf")}
        return [{**rest, **one} for choice in choices for one in _alternatives(choice)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _of_one(sent: dict[str, Any], accepted: dict[str, Any], where: str, *, tolerant: bool) -> list[str]:
    kind, wanted = sent.get("type"), accepted.get("type")
    if wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
        return [f"{where}: {kind or 'anything'} where {wanted} was expected"]
    return [
        *_values(sent, accepted, where),
        *_bounds(sent, accepted, where),
        *_others(sent, accepted, where),
        *_members(sent, accepted, where, tolerant=tolerant),
        *_items(sent, accepted, where, tolerant=tolerant),
    ]


def _values(sent: dict[str, Any], accepted: dict[str, Any], where: str) -> Iterator[str]:
    allowed = _listed(accepted)
    if allowed is None:
        return
    given = _listed(sent)
    if given is None:
        yield f"{where}: any value where only {allowed} was expected"
        return
    for value in given:
        if value not in allowed:
            yield f"{where}: {value!r} where only {allowed} was expected"


def _listed(schema: dict[str, Any]) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _bounds(sent: dict[str, Any], accepted: dict[str, Any], where: str) -> Iterator[str]:
    for keyword in (*_LOWER, *_UPPER):
        bound, given = accepted.get(keyword), sent.get(keyword)
        if bound is None:
            continue
        if given is None or (given < bound if keyword in _LOWER else given > bound):
            yield f"{where}: {keyword} {'none' if given is None else given} where {bound} was expected"


def _others(sent: dict[str, Any], accepted: dict[str, Any], where: str) -> Iterator[str]:
    for keyword in sorted(accepted.keys() - _HANDLED):
        if accepted[keyword] != sent.get(keyword):
            yield f"{where}: {keyword} {sent.get(keyword)!r} where {accepted[keyword]!r} was expected"


def _members(sent: dict[str, Any], accepted: dict[str, Any], where: str, *, tolerant: bool) -> Iterator[str]:
    given, known = sent.get("properties", {}), accepted.get("properties", {})
    required, rest = accepted.get("required", ()), accepted.get("additionalProperties", True)
    for name in sorted(set(required) - set(sent.get("required", ()))):
        yield f"{where}.{name}: may be missing"
    for name, schema in given.items():
        target = known.get(name, rest)
        if target is not False:
            yield from misfits(schema, target, f"{where}.{name}", tolerant=tolerant)
        elif not tolerant:
            yield f"{where}.{name}: is not known"
    if tolerant:
        yield from (f"{where}.{name}: is gone" for name in known if name not in {*given, *required})
    yield from _unnamed_members(sent, rest, where, tolerant=tolerant)


def _unnamed_members(sent: dict[str, Any], rest: Schema, where: str, *, tolerant: bool) -> list[str]:
    others = sent.get("additionalProperties", True)
    if sent.get("type") != "object" or others is False:
        return []
    if rest is False:
        return [] if tolerant else [f"{where}: members that are not known"]
    return misfits(others, rest, f"{where}.*", tolerant=tolerant)


def _items(sent: dict[str, Any], accepted: dict[str, Any], where: str, *, tolerant: bool) -> list[str]:
    if "items" not in accepted or sent.get("type") != "array":
        return []
    return misfits(sent.get("items", True), accepted["items"], f"{where}[]", tolerant=tolerant)
