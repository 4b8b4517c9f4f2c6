"""The Docker network as Compose would read it, without Docker."""

import re
from collections.abc import Mapping
from importlib.resources import files
from json import loads
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from infra.local.home import PROJECT

MAIN: Final = PROJECT / "docker-compose.yml"
DEVELOPMENT: Final = PROJECT / "docker-compose.dev.yml"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def schema() -> dict[str, Any]:
    """The compose specification's JSON schema, as check-jsonschema vendors it."""
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    found: dict[str, Any] = loads((folder / "compose-spec.json").read_text())
    return found


def raw(path: Path = MAIN) -> dict[str, Any]:
    """The file, its anchors resolved and its variables not."""
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def read(given: Mapping[str, str] | None = None, path: Path = MAIN) -> dict[str, Any]:
    """The file with the variables that the shell and `.env` would have given."""
    found: dict[str, Any] = _filled(raw(path), given or {})
    return found


def environment(service: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """What a container of `service` gets; a name without a value is passed on where it is set."""
    named = service.get("environment", {})
    values = {name: given.get(name) if value is None else str(value) for name, value in named.items()}
    return {name: value for name, value in values.items() if value is not None}


def variables(text: str) -> set[str]:
    """The names that a file's `${…}` ask for."""
    return set(re.findall(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)", text))


def _filled(node: Any, given: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, given) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, given) for value in node]
    return interpolated(node, given) if isinstance(node, str) else node


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """`text` with `${NAME}`, `${NAME:-default}` and `$$` replaced; defaults may hold more of them."""
    done = ""
    while (at := text.find("$")) >= 0:
        done, text = done + text[:at], text[at + 1 :]
        if text.startswith("$"):
            done, text = done + "$", text[1:]
            continue
        assert text.startswith("{"), f"$ without {{ or $: {text}"
        inside, text = _until_closed(text[1:])
        done += _value(inside, given)
    return done + text


def _until_closed(text: str) -> tuple[str, str]:
    depth = 1
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:at], text[at + 1 :]
    raise AssertionError(f"not closed: {text}")


def _value(inside: str, given: Mapping[str, str]) -> str:
    found = _NAME.match(inside)
    assert found, inside
    name, rest = found.group(), inside[found.end() :]
    if not rest:
        return given[name]
    if rest.startswith("-"):
        # Without the colon, what is set to nothing is nothing.
        return given[name] if name in given else interpolated(rest[1:], given)
    assert rest.startswith(":-"), f"only defaults are understood here: {inside}"
    return given.get(name) or interpolated(rest[2:], given)
