"""What the README shows of files with curl is walked, against a bucket that checks what it is sent."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests.docs.readme import commands_and_answers, fits, section
from tests.docs.shell import run
from tests.functions.files.conftest import Bucket
from tests.support.world import World


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="it wants both")
def test_the_files_answer_as_the_readme_says(
    over_http: httpx.Client, bucket: Bucket, world: World, tmp_path: Path
) -> None:
    api = str(over_http.base_url).rstrip("/")
    person = world.person()
    (tmp_path / "variables").write_text(
        f"API={api}/v1\nJSON='Content-Type: application/json'\nACCESS={person.access_token}\n"
    )
    walked = commands_and_answers(section("A file with curl"))
    assert len(walked) == 3
    for command, expected in walked:
        answer = run(command, tmp_path)
        assert fits(answer, expected), f"{command}\nanswered\n{answer}\nand not\n{expected}"
    assert [path.name for path in tmp_path.iterdir()] == ["variables"]
