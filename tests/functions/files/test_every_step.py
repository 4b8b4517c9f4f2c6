"""Whatever dies between two steps: the bucket and the database come to agree, and nothing is lost or left."""

import json
import os
import subprocess
import sys

import pytest

from tests.functions.files.conftest import Bucket
from tests.support.world import Person

EVERY = int(os.environ.get("LAMBKIN_EVERY_STEP", "1"))


@pytest.mark.parametrize("how", ["killed", "cut-off"])
def test_bucket_and_database_agree_after_any_step(bucket: Bucket, person: Person, how: str) -> None:
    command = [sys.executable, "-m", "tests.functions.files.walking", how, str(EVERY)]
    environment = os.environ | {"WALKER_TOKEN": person.access_token}
    walked = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    steps = [json.loads(line) for line in walked.stdout.splitlines() if line.startswith('{"step"')]
    assert walked.returncode == 0, walked.stderr[-2000:]
    assert steps[-1]["walked"]["reached"] is False, "the walk was walked to its end"
    assert len(steps) > 50 // EVERY
    agreeing = {"orphans": [], "missing": [], "miscounted": [], "left": 0, "unready": 0}
    for step in steps:
        assert {name: step[name] for name in agreeing} == agreeing, step
