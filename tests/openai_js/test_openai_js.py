"""OpenAI's JavaScript package as a real client: `make test-openai-js` brings it, and Node."""

import os
import subprocess
from pathlib import Path

import httpx

from tests.support.api_keys import mint
from tests.support.ollama import FakeOllama
from tests.support.world import World

HERE = Path(__file__).parent


def test_openai_s_javascript_package_works(over_http: httpx.Client, world: World, ollama: FakeOllama) -> None:
    key = mint(world, world.account().id, "ai:use").key
    ran = subprocess.run(
        [os.environ["LAMBKIN_NODE"], "--test", "--test-reporter=spec", "client.test.mjs"],
        cwd=HERE,
        env=os.environ | {"LAMBKIN_URL": str(over_http.base_url).rstrip("/"), "LAMBKIN_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for prompt in ("stop me", "abort me"):
        assert ollama.asked(prompt).gone.wait(5)
