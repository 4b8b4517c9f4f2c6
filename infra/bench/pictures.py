"""A transform that was made before, beside a plain read of the same bytes.

Compared is what a browser does: it asks `GET /files/{id}/image`, is led to the bucket and has the bytes; or
it asks `GET /files/{id}/content` of a file that consists of these very bytes, and is led there too. The same
server, bucket and client serve both, in turns, with rate limits as in production. What the bucket's part may
hide is told apart: our answers alone, and the bytes from the bucket without us.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from infra.bench.figures import Figure, Result, middle
from infra.bench.operations import ratio
from infra.bench.rig import Rig

MOST_FACTOR = 1.3
QUERY = {"w": 800, "h": 600, "fit": "cover"}
# What is asked, of what it is compared with, whether to the bytes, and what the ratio may be.
COMPARED = (
    ("to the bytes, beside a plain read", "plain", True, MOST_FACTOR),
    ("the answer alone, beside a plain read's", "plain", False, None),
    ("to the bytes, beside the bucket alone", "bucket", True, None),
)


def measure(
    rig: Rig,
    accounts: Sequence[dict[str, str]],
    *,
    rounds: int,
    calls: int,
    progress: Callable[[str], None],
) -> Result:
    """`rounds` times `calls` of each, in turns."""
    asking = rig.having(RATE_LIMITS="true")
    token = accounts[0]["access"]
    progress("pictures: making one")
    made = asking.ask(
        "fill_pictures", {"owner": subject_of(token), "query": QUERY, "folder": str(rig.folder)}
    )
    port = asking.serve("functions.files.app:app")
    pairs = [_pair(port, token, made, beside, follow=follow) for _, beside, follow, _ in COMPARED]
    progress("pictures: a transform that is there, in turns with plain reads")
    found = asking.ask("turns", {"rounds": rounds, "calls": calls, "pairs": pairs}, patience=300)
    figures = [
        figure
        for (name, *_, target), (ours, its) in zip(COMPARED, found["pairs"], strict=True)
        for figure in _figures(f"GET /files/{{id}}/image, {name}", ours, its, target)
    ]
    errors = Figure("All of these reads", "errors", "", sum(found["errors"].values()))
    notes = [
        "One connection to us and one to the emulator. A plain read is GET /files/{id}/content of a file of",
        "the same bytes; the bucket alone is a presigned GET of the transform.",
        *(f"Errors: {said}, {number} times" for said, number in found["errors"].items()),
    ]
    return Result(
        "A transform that is there", [*figures, errors], columns=("transform", "reference"), notes=notes
    )


def subject_of(token: str) -> str:
    """Whose access token it is."""
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def _pair(port: int, token: str, made: dict[str, str], beside: str, *, follow: bool) -> list[dict[str, Any]]:
    asked = {"port": port, "token": token, "follow": follow}
    transform = asked | {"path": f"/v1/files/{made['picture']}/image?{urlencode(QUERY)}"}
    if beside == "plain":
        return [transform, asked | {"path": f"/v1/files/{made['plain']}/content"}]
    link = urlsplit(made["link"])
    return [transform, {"port": link.port, "token": "", "follow": False, "path": f"{link.path}?{link.query}"}]


def _figures(
    group: str, ours: dict[str, list[float]], its: dict[str, list[float]], target: float | None
) -> list[Figure]:
    return [
        Figure(group, name, "ms", middle(ours[key]), middle(its[key]), ratio(ours[key], its[key]), bound)
        for name, key, bound in (("p50", "p50_ms", target), ("p95", "p95_ms", None))
    ]
