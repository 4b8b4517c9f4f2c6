"""A device in words, from its user agent."""

import re
from typing import Final

UNKNOWN: Final = "an unknown device"
_LONGEST: Final = 100
# Mail programs make links of these, and a user agent says whatever its sender wants.
_LINK_LIKE: Final = re.compile(r"[/@\\<>]|\w{2,}\.\w{2,}")


def device_in_words(user_agent: str) -> str:
    """Such as `Firefox on Linux` or `Safari on iPhone`; UNKNOWN where the user agent tells nothing.

    This is for people to recognise their own devices, and proves nothing.
    """
    # Imported here: only a list of sessions and a job pay for the patterns.
    from ua_parser import parse

    found = parse(user_agent)
    program = found.user_agent.family.removeprefix("Mobile ") if found.user_agent else ""
    device = found.device.model or found.device.family if found.device else None
    system = device or (found.os.family if found.os else "")
    words = f"{program} on {system}" if program and system else program or system
    return words if words and len(words) <= _LONGEST and not _LINK_LIKE.search(words) else UNKNOWN
