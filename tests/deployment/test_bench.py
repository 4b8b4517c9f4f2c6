"""`make bench` runs and prints all its rows; what they say depends on the machine, and is never asserted.

Cold starts need artifacts that are built: see tests/deployment.
"""

import json
import subprocess
import sys
from pathlib import Path

from infra.bench import file_lists, hanging, model_calls, pictures, uploads
from infra.bench.__main__ import MEASURES
from infra.bench.figures import Figure, Result, percentile, table
from infra.bench.spans import LAYERS
from infra.local.home import PROJECT

SERVED = ["requests", "p50", "p99", "errors"]
CROWDED = ["requests", "p50", "p99", "p99 / p50, pool of 5", "errors"]
STREAMED = [
    "tokens",
    "processor, each token",
    "statements, 1,000 tokens",
    "memory, each stream",
    "errors",
]
CONNECTIONS = {"1 connection": SERVED, "16 connections": SERVED, "100 connections": CROWDED}
ROWS = {
    "GET /users/me through Mangum": ["whole call", "its statements alone", "(call - hello) / statements"],
    **{
        f"{operation}, {connections}": rows
        for operation in ("GET /users/me", "POST /auth/refresh")
        for connections, rows in CONNECTIONS.items()
    },
    "POST /auth/login, 8 connections, against bare argon2": ["sign-ins per core", "p50; of one hash"],
    "GET /users/me, 1 connection, while 32 sign-ins run in the same process": ["p50", "p99"],
    **{
        f"GET /users/me with an API key, {connections}": SERVED
        for connections in ("1 connection", "16 connections")
    },
    **{f"GET /users, page {number}": ["p50", "p99", "errors"] for number in (1, 100)},
    "GET /files, the first page": [each.name for each in file_lists.LISTINGS],
    "GET /files, a page from the middle": [each.name for each in file_lists.WITH_A_MIDDLE],
    "All of these lists": ["errors"],
    "JPEG, 1 megapixels": ["time", "peak memory"],
    **{f"GET /files/{{id}}/image, {name}": ["p50", "p95"] for name, *_ in pictures.COMPARED},
    "All of these reads": ["errors"],
    **{
        f"{way}, {clients} at a time": ["uploads", *uploads.STEPS[name].values()]
        for clients in uploads.CLIENTS
        for name, way in uploads.WAYS.items()
    },
    f"{model_calls.NAMES[model_calls.CHAT]}, the first token": [
        "first token",
        "its statements alone",
        "ours - straight - statements",
        "errors",
    ],
    f"{model_calls.NAMES[model_calls.TALK]}, the first token": ["first token", "ours - straight", "errors"],
    **{f"{name}, 1 stream": STREAMED for name in model_calls.NAMES.values()},
    **{f"{name}, 2 streams": ["tokens", "first token", *STREAMED[1:]] for name in model_calls.NAMES.values()},
    **{f"{name}, without a pace": ["tokens"] for name in model_calls.NAMES.values()},
    **{
        hanging.group(way, hanging.QUICK_CALLS): [
            "p50",
            "p99",
            "reads",
            "calls that the model holds",
            "errors",
        ]
        for way in (hanging.TOGETHER, hanging.APART)
    },
    "GET /users/me, each layer's own time": [
        "Mangum, or the outermost ASGI layer",
        *LAYERS,
        "whole call",
        "the same without these clocks",
    ],
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.bench", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=240,
        check=False,
    )


def test_a_run_has_all_its_rows_finds_every_layer_and_no_request_fails(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    ended = bench("--quick", "--json", str(file), *(name for name in MEASURES if name != "cold"))
    assert ended.returncode == 0, ended.stderr
    figures = [figure for result in json.loads(file.read_text())["results"] for figure in result["figures"]]
    found: dict[str, list[str]] = {}
    for figure in figures:
        found.setdefault(figure["group"], []).append(figure["name"])
        assert figure["name"] in ended.stdout
    assert found == ROWS
    errors = [figure for figure in figures if figure["name"] == "errors"]
    assert all(figure["ours"] == (figure["reference"] or 0) == 0 for figure in errors)
    assert "Not found" not in ended.stdout
    assert "Errors of" not in ended.stdout


def test_an_unknown_measure_is_refused() -> None:
    ended = bench("coffee")
    assert ended.returncode == 2
    assert "there is no measure coffee" in ended.stderr


def test_a_target_is_a_bound_on_the_ratio() -> None:
    least = Figure("g", "requests", "1/s", 10, 100, 0.1, 0.2, at_least=True)
    most = Figure("g", "start", "ms", 30, 10, 3.0, 3.0)
    untold = Figure("g", "p50", "ms", 1)
    assert (least.met, most.met, untold.met) == (False, True, None)
    shown = table(Result("A run", [least, most, untold]))
    assert "≥ 0.2  MISSED" in shown
    assert "≤ 3  met" in shown


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.99) == 0.0
