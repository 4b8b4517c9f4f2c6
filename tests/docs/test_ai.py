"""docs/ai.md: its example works, and what it names is there; other tests have its table of faults."""

import re

import httpx
import pytest

from common.settings import Settings
from functions.ai import images, json_schemas
from functions.ai.schemas.embeddings import MOST_INPUTS
from infra.local.home import PROJECT
from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.world import World

PAGE = (PROJECT / "docs/ai.md").read_text(encoding="utf-8")


def test_its_example_works(
    over_http: httpx.Client, world: World, ollama: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    here = {
        "http://localhost:8000": str(over_http.base_url).rstrip("/"),
        "lk_…": mint(world, world.account().id, "ai:use").key,
        "llama3.2:3b": "tiny",
    }
    for written, meant in here.items():
        assert written in code
        code = code.replace(written, meant)
    exec(f"{code}\nprint(answer.choices[0].message.content)\nclient.close()", {})  # noqa: S102 - the page's own code
    assert "w0 w1 w2 " in capsys.readouterr().out


def test_its_bounds_and_settings_are_those_of_the_code() -> None:
    assert f"{json_schemas.LARGEST:,} characters" in PAGE
    assert f"{images.MOST_BYTES // 10**6} MB together" in PAGE
    assert f"up to {MOST_INPUTS} texts" in PAGE
    named = set(re.findall(r"\bOLLAMA_[A-Z_]+\b", PAGE))
    assert named
    assert {name for name in named if name.lower() not in Settings.model_fields} == set()
