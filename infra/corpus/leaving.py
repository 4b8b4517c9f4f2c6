"""The end of all files: bucket and database agree, and when everything is deleted, nothing is left."""

import time
from concurrent.futures import Executor
from contextlib import closing
from typing import Final

import pg8000.native
from sqlalchemy import make_url

from infra.corpus.journey import Travelled, Traveller
from infra.corpus.stack import Running

PATIENCE_SECONDS: Final = 120.0
# Of so many one.
_LEFT_TO_THE_SWEEP: Final = 10
_MOST_TICKS: Final = 10
_TICK: Final = '{"source": "aws.events"}'
_AGE: Final = "update files set trashed_at = trashed_at - interval '40 days' where trashed_at is not null"


def leave(stack: Running, traveller: Traveller, files: list[Travelled], pool: Executor) -> list[str]:
    """Verify, throw everything away, and verify again; what is wrong."""
    faults = _verified(stack, "with all files there")
    ids = [each.file["id"] for each in files if each.file]
    faults += _discarded(traveller, ids, pool)
    # Most are deleted by their owner from the trash, the others by the sweep that comes after 30 days.
    by_owner = [each for number, each in enumerate(ids) if number % _LEFT_TO_THE_SWEEP]
    faults += _discarded(traveller, by_owner, pool, permanently="true")
    faults += _swept(stack, traveller)
    faults += _nothing_left(stack, traveller)
    return faults + _verified(stack, "with all files gone")


def _verified(stack: Running, when: str) -> list[str]:
    code, said = stack.command("files", "verify")
    print(f"`lambkin files verify`, {when}: {' '.join(said.splitlines())}", flush=True)
    return [f"`lambkin files verify` ended with {code}, {when}: {said}"] if code else []


def _discarded(traveller: Traveller, ids: list[str], pool: Executor, **query: str) -> list[str]:
    def discard(file_id: str) -> int:
        return traveller.call("DELETE", f"/{file_id}", params=query).status_code

    answers = zip(ids, pool.map(discard, ids), strict=True)
    return [f"deleting {file_id} was answered by {status}" for file_id, status in answers if status != 204]


def _swept(stack: Running, traveller: Traveller) -> list[str]:
    """Have what is in the trash become old, and the clock of fresh instances tick until it is gone."""
    url = make_url(stack.database_url())
    named = (url.username or "", url.host or "", url.database, url.port or 0, url.password)
    with closing(pg8000.native.Connection(*named, ssl_context=False)) as connection:
        connection.run(_AGE)
    said = ""
    for _ in range(_MOST_TICKS):
        # One that is ended in the middle, as an instance may be, is gone on with by the next.
        _, said = stack.command("invoke", "files", _TICK, "--jobs")
        if not _listed(traveller, trashed=True):
            return []
    return [f"the sweep leaves files in the trash: {said}"]


def _listed(traveller: Traveller, *, trashed: bool) -> int:
    """How many files there are, or a page of them."""
    return len(traveller.call("GET", "", params={"trashed": trashed}).json()["items"])


def _nothing_left(stack: Running, traveller: Traveller) -> list[str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := stack.in_bucket()) and time.monotonic() < deadline:
        time.sleep(0.5)
    usage = traveller.call("GET", "/usage").json()
    listed = _listed(traveller, trashed=True) + _listed(traveller, trashed=False)
    print(f"All deleted: {len(left)} objects in the bucket, {listed} files, {usage['used']} bytes used.")
    faults = [f"{len(left)} objects are left in the bucket: {', '.join(left[:5])}"] if left else []
    faults += [f"{listed} files are left"] if listed else []
    return faults + ([f"the usage is {usage}"] if usage["used"] or usage["reserved"] else [])
