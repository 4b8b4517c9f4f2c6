"""What has changed between two documents, and what of it breaks a client that was written for the first.

It breaks where an operation or its operationId is gone, a request that was accepted may be refused, an
answer may be what was never promised, or a token or a permission is needed that was not. Words and examples
are no change. A problem code that comes or goes is a change that breaks nobody by itself: only a person knows
whether it is the same refusal under a new name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.contract.operations import Answer, Body, Operation, Parameter, operations
from infra.contract.schemas import misfits


@dataclass(frozen=True)
class Change:
    """An operation (`METHOD /path`) that is not what it was; `breaking` says why it breaks clients."""

    operation: str
    kind: Literal["added", "removed", "changed"]
    breaking: tuple[str, ...] = ()


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """All changes from one OpenAPI document to another, in the order of paths."""
    before, after = operations(old), operations(new)
    found = []
    for name in sorted({*before, *after}, key=lambda operation: operation.split(" ")[::-1]):
        if name not in before:
            found.append(Change(name, "added"))
        elif name not in after:
            found.append(Change(name, "removed", ("it is gone",)))
        elif before[name] != after[name]:
            found.append(Change(name, "changed", tuple(_breaking(before[name], after[name]))))
    return found


def _breaking(old: Operation, new: Operation) -> Iterator[str]:
    if old.operation_id != new.operation_id:
        yield f"the operationId {old.operation_id} is gone"
    yield from _parameters(old.parameters, new.parameters)
    yield from _body(old.body, new.body)
    yield from _answers(old.answers, new.answers)
    yield from _security(old, new)


def _parameters(
    old: Mapping[tuple[str, str], Parameter], new: Mapping[tuple[str, str], Parameter]
) -> Iterator[str]:
    for place, name in sorted({*old, *new}):
        before, after = old.get((place, name)), new.get((place, name))
        where = f"{place} parameter {name}"
        if after is None:
            yield f"{where}: is gone"
        elif after.required and (before is None or not before.required):
            yield f"{where}: is required now"
        if before is not None and after is not None:
            yield from misfits(before.schema, after.schema, where, tolerant=False)


def _body(old: Body | None, new: Body | None) -> Iterator[str]:
    if new is None:
        if old is not None:
            yield "body: is gone"
        return
    if new.required and not (old is not None and old.required):
        yield "body: is required now"
    for media, schema in (old.content if old else {}).items():
        if media in new.content:
            yield from misfits(schema, new.content[media], "body", tolerant=False)
        else:
            yield f"body: {media} is not read any more"


def _answers(old: Mapping[str, Answer], new: Mapping[str, Answer]) -> Iterator[str]:
    for status, before in old.items():
        after = new.get(status)
        if after is not None:
            yield from _answer(before, after, f"answer {status}")
        elif status.startswith(("2", "3")):
            yield f"answer {status}: is gone"


def _answer(old: Answer, new: Answer, where: str) -> Iterator[str]:
    yield from (f"{where}: the header {name} is gone" for name in sorted(old.headers - new.headers))
    for media, schema in old.content.items():
        if media in new.content:
            yield from misfits(new.content[media], schema, where, tolerant=True)
        else:
            yield f"{where}: {media} is gone"


def _security(old: Operation, new: Operation) -> Iterator[str]:
    accepted = new.security or ({},)
    for credentials in old.security or ({},):
        if not any(_suffices(credentials, wanted) for wanted in accepted):
            held = " and ".join(sorted(credentials)) or "no credentials"
            yield f"security: {held} with the former scopes are not enough any more"


def _suffices(held: Mapping[str, frozenset[str]], wanted: Mapping[str, frozenset[str]]) -> bool:
    return all(scheme in held and scopes <= held[scheme] for scheme, scopes in wanted.items())
