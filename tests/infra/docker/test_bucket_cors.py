"""Which pages may reach the bucket: the same for each server that may stand behind it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from infra import bucket_cors
from infra.local.home import PROJECT

AWSLOCAL = """#!/bin/sh
case "$2" in put-bucket-cors) printf '%s' "$6" > "$0.said" ;; esac
"""


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("http://localhost:3000", ["http://localhost:3000"]),
        (
            "https://lambkin.example,https://admin.lambkin.example",
            ["https://lambkin.example", "https://admin.lambkin.example"],
        ),
    ],
)
def test_localstack_is_told_what_every_server_is_told(tmp_path: Path, given: str, origins: list[str]) -> None:
    stand_in = tmp_path / "awslocal"
    stand_in.write_text(AWSLOCAL)
    stand_in.chmod(0o755)
    subprocess.run(
        ["/bin/sh", PROJECT / "infra" / "localstack" / "bucket.sh"],
        env={"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin", "BUCKET": "lambkin", "CORS_ORIGINS": given},
        check=True,
        timeout=10,
    )
    said = json.loads((tmp_path / "awslocal.said").read_text())
    assert said == bucket_cors.configuration(origins)
