"""Names are the field's, and every exception to a rule gives its reason on its line."""

import ast
import re
import tomllib

from infra.local.home import PROJECT
from tests.structure.sources import FOLDERS, Source, sources

# They say that somebody did not know what a thing is.
NEVER_A_WORD = {"util", "utils", "helper", "helpers", "manager", "managers", "misc"}
NEVER_A_NAME = {"data", "info", "common_code", "base_code", "lib"}
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")

NOQA = re.compile(r"#\s*noqa\b(?P<rest>.*)")
NOQA_WITH_REASON = re.compile(r": [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*\s+(-|#) \S")
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<rest>.*)")
IGNORE_WITH_REASON = re.compile(r"\[[a-z-]+(, ?[a-z-]+)*\]\s+# \S")
PRAGMA = re.compile(r"#\s*pragma\b")


def _defined(source: Source) -> set[str]:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = {node.name for node in ast.walk(source.tree) if isinstance(node, definitions)}
    return names | {part.removesuffix(".py") for part in source.path.parts}


def test_names_say_what_a_thing_is() -> None:
    found = {
        (str(source), name)
        for source in sources(*FOLDERS)
        for name in _defined(source)
        if {word.lower() for word in WORD.findall(name)} & NEVER_A_WORD or name.lower() in NEVER_A_NAME
    }
    assert found == set()


def _without_reason(comment: re.Pattern[str], with_reason: re.Pattern[str]) -> list[str]:
    return [
        f"{source}:{number}: {line.strip()}"
        for source in sources(*FOLDERS)
        if source.path.name != "test_names.py"
        for number, line in enumerate(source.lines, start=1)
        if (found := comment.search(line)) and not with_reason.match(found["rest"])
    ]


def test_every_silenced_lint_names_its_rule_and_its_reason() -> None:
    assert _without_reason(NOQA, NOQA_WITH_REASON) == []


def test_every_silenced_type_error_names_its_code_and_its_reason() -> None:
    assert _without_reason(IGNORE, IGNORE_WITH_REASON) == []


def test_no_code_is_left_out_of_a_measurement() -> None:
    found = [str(source) for source in sources(*FOLDERS) if PRAGMA.search(source.text)]
    assert [path for path in found if not path.endswith("test_names.py")] == []


def test_every_lint_rule_is_on_and_each_that_is_off_has_a_reason() -> None:
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    off = {*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)}
    with_reason = set(re.findall(r'^\s+"([A-Z]+[0-9]*)",\s+# \S', text, flags=re.MULTILINE))
    assert off <= with_reason
