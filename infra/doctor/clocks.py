"""Clocks that differ: tokens and presigned links are good for a time, told by two of them."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from common.bucket import LINK_SECONDS
from infra.doctor.findings import Finding, failed, ok, warning

TOLERATED_SECONDS: Final = 5.0
"""What the verification of access tokens tolerates, see `common.tokens`."""
_FIX: Final = (
    "Have both set by NTP (`timedatectl set-ntp true`); a laptop's Docker loses time while it sleeps."
)


def from_date(header: str, here: float) -> Iterator[Finding]:
    """Compare a `Date` header (RFC 9110, section 6.6.1) with our time in seconds; nothing without one."""
    try:
        there = parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError):
        return
    # The header is cut to whole seconds.
    yield compare(there + 0.5, here)


def compare(there: float, here: float | None = None) -> Finding:
    """Two times in seconds."""
    skew = there - (time.time() if here is None else here)
    off = abs(skew)
    if off <= TOLERATED_SECONDS:
        return ok("Its clock and ours agree.")
    which = "ahead of" if skew > 0 else "behind"
    found = f"Its clock is {_length(off)} {which} ours"
    if off < LINK_SECONDS:
        return warning(f"{found}: what is signed or expires is refused too early or too late.", _FIX)
    return failed(f"{found}: presigned links and tokens are refused.", _FIX, ends=False)


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
