"""Uploads of 4 MB per second: in a form, and by presigned requests, beside the bare emulator's."""

from collections.abc import Callable, Sequence
from typing import Any

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import ratio
from infra.bench.rig import Rig

BYTES = 4 * 1024 * 1024 - 64  # what a form may bring, and room for more than one
CLIENTS = (1, 4)
WAYS = {"form": "POST /files, in a form", "presigned": "begin, presigned PUT, complete"}
STEPS = {
    "form": {"form": "POST /files"},
    "presigned": {"start": "POST /files/uploads", "put": "PUT to the bucket", "complete": "POST …/complete"},
}


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    calls: int,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times with one client and with several: `calls` uploads of each in each way."""
    port = rig.serve("functions.files.app:app")
    figures: list[Figure] = []
    for clients in CLIENTS:
        progress(f"uploads: {clients} at a time")
        question = {
            "port": port,
            "token": accounts[0]["access"],
            "clients": clients,
            "rounds": rounds,
            "calls": max(1, calls // clients),
            "bytes": BYTES,
        }
        found = rig.ask("sends", question, patience=240)
        figures += [figure for way in WAYS for figure in _figures(way, clients, found)]
    notes = [
        "The reference is a presigned PUT of 4 MB to the emulator, whose one process checks the digest, as",
        "of ours, and writes to the disk. It, Postgres, server and client share the processors, which the",
        "bucket on AWS does not. Of a request, the median; beside it the emulator's own PUT.",
    ]
    return Result("Uploads of 4 MB", figures, columns=("ours", "emulator"), notes=notes)


def _figures(way: str, clients: int, found: dict[str, Any]) -> list[Figure]:
    group = f"{WAYS[way]}, {clients} at a time"
    ours, its = found[way], found["bucket"]
    bare = found["steps"]["bucket"]
    return [
        Figure(group, "uploads", "1/s", middle(ours), middle(its), ratio(ours, its)),
        *(
            Figure(group, name, "ms", found["steps"][step], bare, found["steps"][step] / bare)
            for step, name in STEPS[way].items()
        ),
    ]
