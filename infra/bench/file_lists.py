"""The lists of somebody who has a million files, beside those of somebody who has a thousand.

Both are in one database, and ask the same server for as many files that fit as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from infra.bench.figures import Figure, Result, middle
from infra.bench.fill_files import RARE
from infra.bench.operations import ratio
from infra.bench.rig import BenchFailed, Rig

FEW = 1_000
MOST_FACTOR = 1.5
LIMIT = 10
DEEP = 100_000
"""A page from the middle begins after half of the list, and after no more files than these."""

PATH = "/v1/files"


@dataclass(frozen=True)
class Listing:
    """A list: what of all files its filters fit, as `infra.bench.fill_files` makes them, or how many.

    A page is shorter where they are so rare that few has no more.
    """

    name: str
    query: dict[str, Any]
    share: float = 1.0
    number: int | None = None
    limit: int = LIMIT

    def fitting(self, files: int) -> int:
        """How many of so many files."""
        return self.number or int(self.share * files)


_MONTH = {"created_after": "2026-06-01T00:00:00Z", "created_before": "2026-07-01T00:00:00Z"}
LISTINGS = (
    Listing("all, newest first", {}),
    Listing("by name", {"sort": "name"}),
    Listing("by size", {"sort": "-size"}),
    Listing("a type of 7 in 10", {"type": "image"}, 0.7),
    Listing("a type of 1 in 20", {"type": "video"}, 0.05),
    Listing("a type of 1 in 20, by name", {"type": "video", "sort": "name"}, 0.05),
    Listing("a whole type of 1 in 10", {"type": "image/png"}, 0.1),
    Listing("sizes of 1 in 10", {"size_min": 900_000}, 0.1),
    Listing("sizes of 1 in 20, by name", {"size_min": 500_000, "size_max": 550_000, "sort": "name"}, 0.05),
    Listing("sizes of 1 in 250", {"size_min": 500_000, "size_max": 504_000}, 1 / 250, limit=3),
    Listing("a month", _MONTH, 1 / 12),
    Listing("a month, by size", _MONTH | {"sort": "size"}, 1 / 12),
    Listing("a tag of 3 in 5", {"tag": "many"}, 0.6),
    Listing("a tag of 1 in 250", {"tag": "few"}, 1 / 250, limit=3),
    Listing(f"a tag of {RARE} files", {"tag": "rare"}, number=RARE),
    Listing("a name of 1 in 4", {"q": "beach"}, 0.25),
    Listing("a name of 1 in 4, by size", {"q": "beach", "sort": "size"}, 0.25),
    Listing("a name of 1 in 250", {"q": "picnic"}, 1 / 250, limit=3),
    Listing(f"a name of {RARE} files", {"q": "wedding"}, number=RARE),
    Listing(
        "type, tag, size and name", {"type": "image", "tag": "many", "size_min": 500_000, "q": "beach"}, 0.052
    ),
    Listing("the trash", {"trashed": True}, 0.05),
    Listing("the trash, a type of 7 in 10", {"trashed": True, "type": "image"}, 0.035),
    Listing("the trash, sizes of half", {"trashed": True, "size_min": 500_000}, 0.025),
    Listing("the trash, sizes of 1 in 10", {"trashed": True, "size_min": 900_000}, 0.005, limit=3),
)
# Whose second half fills a page where there are few.
WITH_A_MIDDLE = tuple(each for each in LISTINGS if each.fitting(FEW) // 2 >= each.limit)


@dataclass(frozen=True)
class Side:
    """An owner of so many files."""

    owner: str
    token: str
    files: int


@dataclass(frozen=True)
class Shelves:
    """The database that is asked, and whose lists are compared: of many files, and of few."""

    rig: Rig
    sides: tuple[Side, Side]


def prepare(
    rig: Rig, accounts: Sequence[dict[str, str]], many: int, progress: Callable[[str], None]
) -> Shelves:
    """A database where the first account has many files and the second few. Before anything is connected."""
    filled = rig.copy("shelves")
    progress(f"filling up to {many:,} files")
    numbers = (many, FEW)
    files = {account["email"]: number for account, number in zip(accounts, numbers, strict=False)}
    owners = filled.ask("fill_files", {"files": files}, patience=600)
    most, least = (
        Side(owners[account["email"]], account["access"], number)
        for account, number in zip(accounts, numbers, strict=False)
    )
    return Shelves(filled, (most, least))


def measure(shelves: Shelves, *, rounds: int, calls: int, progress: Callable[[str], None]) -> Result:
    """`rounds` times, each list `calls` times: a page of many and a page of few, in turns."""
    port = shelves.rig.serve("functions.files.app:app")
    progress("lists of files: finding their middles")
    first = [_asked(port, each, side, None) for each in LISTINGS for side in shelves.sides]
    cursors = _cursors(shelves, WITH_A_MIDDLE)
    middles = [_asked(port, each, side, cursors.pop(0)) for each in WITH_A_MIDDLE for side in shelves.sides]
    asked = [*first, *middles]
    progress(f"lists of files: {len(asked) // 2} pages of either")
    question = {"rounds": rounds, "calls": calls, "pairs": list(zip(asked[::2], asked[1::2], strict=True))}
    found = shelves.rig.ask("turns", question, patience=300)
    groups = {"GET /files, the first page": LISTINGS, "GET /files, a page from the middle": WITH_A_MIDDLE}
    rows = [(group, each.name) for group, listings in groups.items() for each in listings]
    figures = [_figure(*row, *pair) for row, pair in zip(rows, found["pairs"], strict=True)]
    errors = Figure("All of these lists", "errors", "", sum(found["errors"].values()))
    notes = [
        f"One connection, both in turns; p50. {LIMIT} files a page, or 3 where few has no more. Both are in",
        "one database.",
        *(f"Errors: {said}, {number} times" for said, number in found["errors"].items()),
    ]
    columns = (f"{shelves.sides[0].files:,}", f"{FEW:,}")
    return Result("The list of files", [*figures, errors], columns=columns, notes=notes)


def _cursors(shelves: Shelves, listings: Sequence[Listing]) -> list[str]:
    """Of the middle of each list, for either side. Raises BenchFailed."""
    wanted = [
        {"owner": side.owner, "query": each.query, "skipped": min(DEEP, each.fitting(side.files) // 2)}
        for each in listings
        for side in shelves.sides
    ]
    cursors = shelves.rig.having(DATABASE_STATEMENT_SECONDS="60").ask(
        "middles", {"lists": wanted}, patience=120
    )
    if None in cursors:
        raise BenchFailed(f"A list is shorter than it was made: {wanted[cursors.index(None)]}")
    return list(cursors)


def _asked(port: int, listing: Listing, side: Side, cursor: str | None) -> dict[str, Any]:
    query = listing.query | {"limit": listing.limit} | ({"cursor": cursor} if cursor else {})
    return {"port": port, "path": f"{PATH}?{urlencode(query)}", "token": side.token, "follow": False}


def _figure(group: str, name: str, many: dict[str, list[float]], few: dict[str, list[float]]) -> Figure:
    ours, its = many["p50_ms"], few["p50_ms"]
    return Figure(group, name, "ms", middle(ours), middle(its), ratio(ours, its), MOST_FACTOR)
