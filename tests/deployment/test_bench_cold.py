"""The cold starts of `make bench` run over the real artifacts; what they take is never asserted."""

import json
import subprocess
import sys
from pathlib import Path

from infra.local.home import PROJECT

PARTS = ["whole", "import", "construction", "first request", "processor"]
STARTS = ["users", "users, first GET /users/me: connects", "auth", "files", "ai", "health", "worker"]


def test_each_artifact_starts_and_answers(artifacts: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "infra.bench", "--quick", "--json", str(file), "cold"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    [result] = json.loads(file.read_text())["results"]
    found: dict[str, list[str]] = {}
    for figure in result["figures"]:
        found.setdefault(figure["group"], []).append(figure["name"])
    assert found == dict.fromkeys(STARTS, PARTS)
