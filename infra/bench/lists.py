"""The list of accounts where there are many, beside where there are few: pages must cost the same."""

import http.client
import json
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import Operation, get, ratio
from infra.bench.rig import BenchFailed, Rig
from infra.local.ports import LOOPBACK

FEW = 1_000
MOST_FACTOR = 1.5
PAGES = (1, 100)
LIMIT = FEW // max(PAGES)  # so that the smaller list has that many pages
PATH = "/v1/users"


def prepare(rig: Rig, many: int, progress: Callable[[str], None]) -> tuple[Rig, Rig]:
    """A database with few accounts and one with many. Before anything is connected: a copy is exclusive."""
    rigs = (rig.copy("few"), rig.copy("many"))
    for each, accounts in zip(rigs, (FEW, many), strict=True):
        progress(f"filling up to {accounts:,} accounts")
        each.ask("fill", {"accounts": accounts}, patience=300)
    return rigs


def measure(
    rigs: tuple[Rig, Rig],
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times: each page of the longer list, then of the shorter one, one request at a time."""
    token = accounts[-1]["access"]
    sides = [_pages(each.serve("functions.users.app:app"), token) for each in rigs]
    for rig, pages in zip(rigs, sides, strict=True):
        for page in pages:
            page.run(rig, 1, min(0.5, seconds))
    for number in range(rounds):
        progress(f"lists: round {number + 1} of {rounds}")
        for pair in zip(*sides, strict=True):
            for rig, page in zip(rigs, pair, strict=True):
                page.keep(1, page.run(rig, 1, seconds))
    figures = [figure for few, many in zip(*sides, strict=True) for figure in _figures(many, few)]
    notes = [f"One connection, {LIMIT} accounts a page, an administrator's token: its session is looked up."]
    return Result("The list of accounts", figures, columns=("many", f"{FEW:,}"), notes=notes)


def _pages(port: int, token: str) -> list[Operation]:
    """The pages that are asked for, found as a client finds them."""
    cursors = _walk(port, token, max(PAGES))
    return [Operation(f"page {number}", port, [get(_path(cursors[number - 1]), token)]) for number in PAGES]


def _path(cursor: str | None) -> str:
    return f"{PATH}?{urlencode({'limit': LIMIT} | ({'cursor': cursor} if cursor else {}))}"


def _walk(port: int, token: str, pages: int) -> list[str | None]:
    """The cursor of each page, the first of which has none. Raises BenchFailed."""
    cursors: list[str | None] = [None]
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    while len(cursors) < pages:
        connection.request("GET", _path(cursors[-1]), headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        page = json.loads(answer.read())
        if answer.status != 200 or len(page["items"]) != LIMIT or not page["next_cursor"]:
            raise BenchFailed(f"Page {len(cursors)} of {PATH} answered {answer.status}: {page}")
        cursors.append(page["next_cursor"])
    connection.close()
    return cursors


def _figures(many: Operation, few: Operation) -> list[Figure]:
    group = f"GET /users, {many.name}"

    def compared(name: str, key: str, target: float | None = None) -> Figure:
        ours, its = many.values(1, key), few.values(1, key)
        return Figure(group, name, "ms", middle(ours), middle(its), ratio(ours, its), target)

    errors = Figure(group, "errors", "", many.errors(1).total(), few.errors(1).total())
    return [compared("p50", "p50_ms", MOST_FACTOR), compared("p99", "p99_ms"), errors]
