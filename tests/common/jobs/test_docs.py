import ast
import importlib
import re
from pathlib import Path

from common.jobs.outbox import MAX_ATTEMPTS
from common.mail.outbound import TEMPLATES
from functions.worker import service

TEXT = (Path(__file__).parents[3] / "docs" / "jobs.md").read_text()


def test_the_guides_python_imports_what_there_is() -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_guides_numbers_are_the_codes() -> None:
    assert f"`max_attempts` ({MAX_ATTEMPTS})" in TEXT
    done, dead = service.DONE_JOBS_KEPT.days, service.DEAD_JOBS_KEPT.days
    assert f"done for {done} days or dead for {dead}" in TEXT


def test_the_guide_names_every_template_with_its_values() -> None:
    for template, values in TEMPLATES.items():
        [row] = re.findall(rf"^\| `{template}` \| (.*) \|$", TEXT, re.MULTILINE)
        assert values <= set(re.findall(r"`(\w+)`", row))
