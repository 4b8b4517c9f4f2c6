"""What a function loads when it starts: each import there is a part of every cold start."""

import json
import os
import subprocess
import sys

import pytest

from infra.local.discovery import functions
from tests.support.absent import absent

# Used by some, needed by none before its first request or job.
NEVER_AT_START = {
    # What looks at files is in a process of its own, and at most asked for a name here.
    *("PIL", "pillow_heif", "pypdfium2", "puremagic"),
    *(
        "boto3",
        "botocore",
        "alembic",
        "jsonschema_rs",
        "jinja2",
        "psycopg",
        "httpx",
        "uvicorn",
        "typer",
        "smtplib",
    ),
    # FastAPI would load it, wherever it is installed: see common/__init__.py.
    "email_validator",
}
# What traces and reports bring; the API of OpenTelemetry is FastAPI's.
ONLY_WHEN_ON = {"opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests", "sentry_sdk"}
# Beyond that, what this function has no use for at its start.
NOT_AT_START = {
    "functions.health.app": {"sqlalchemy", "pg8000", "jwt", "cryptography"},
    "functions.users.app": {"argon2", "python_multipart"},
    "functions.files.app": {"argon2"},
    "functions.files.jobs": {"argon2", "jwt", "mangum"},
    "functions.ai.app": {"argon2", "python_multipart", "httpcore", "certifi", "h11"},
    "functions.worker.app": {"argon2", "python_multipart", "jwt"},
    "functions.worker.jobs": {"argon2", "python_multipart", "jwt", "mangum"},
}
NEVER_SHIPPED = {"infra", "migrations", "tests"}

ENTRIES = [
    entry
    for function in functions()
    for entry, there in (
        (function.app_module, function.serves_http),
        (function.jobs_module, function.handles_jobs),
    )
    if there
]

# Refuses every module of a distribution that the function's artifact does not hold.
CHILD = """
import importlib, json, sys

entry, absent = json.loads(sys.stdin.read())
absent = frozenset(absent)

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
app = getattr(importlib.import_module(entry), "app", None)
built = [route.path for route in getattr(app, "routes", ()) if "dependant" in vars(route)]
json.dump([sorted(sys.modules), built], sys.stdout)
"""


def _started(entry: str) -> tuple[frozenset[str], list[str]]:
    """A fresh interpreter in Lambda that has only what the artifact holds: the modules and routes it made."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([entry, absent(entry.split(".")[1])]),
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_LAMBDA_FUNCTION_NAME": entry},
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    loaded, built = json.loads(child.stdout)
    return frozenset(loaded), built


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_function_starts_with_what_its_artifact_holds_and_makes_nothing_that_can_wait(entry: str) -> None:
    loaded, built = _started(entry)
    assert built == []
    assert loaded & (NEVER_AT_START | NOT_AT_START.get(entry, set())) == set()
    assert {name.partition(".")[0] for name in loaded} & NEVER_SHIPPED == set()
    own = f"{entry.rpartition('.')[0]}."
    assert {
        name for name in loaded if name.startswith("functions.") and not f"{name}.".startswith(own)
    } == set()


@pytest.mark.parametrize("entry", ["functions.users.app", "functions.worker.jobs"])
def test_traces_and_reports_cost_a_start_nothing_while_they_are_off(entry: str) -> None:
    # With all of it installed, as in an image to which an operator has added it.
    child = subprocess.run(
        [sys.executable, "-c", f"import json, sys, {entry}\njson.dump(sorted(sys.modules), sys.stdout)"],
        capture_output=True,
        text=True,
        env=os.environ | {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        timeout=60,
        check=True,
    )
    assert ONLY_WHEN_ON & set(json.loads(child.stdout)) == set()


def test_what_a_start_in_lambda_leaves_for_later_describes_the_same_api() -> None:
    program = "from infra.contract import documents; print(documents.differences())"
    child = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_LAMBDA_FUNCTION_NAME": "any"},
        timeout=60,
        check=True,
    )
    assert child.stdout == "[]\n"
