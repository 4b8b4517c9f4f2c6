"""What Ollama counts and measures, as far as that can be believed."""

from typing import Any, Final

MOST_TOKENS: Final = 10_000_000
"""More than any model sees at once, or says in the time that there is."""
MOST_BYTES: Final = 2**50
_LONGEST_MS: Final = 1e9


def token_count(told: dict[str, Any], name: str) -> int | None:
    """How many tokens it counted: 0 where it does not tell, None where what it tells can be no such count."""
    found = told.get(name, 0)
    return found if _is_number(found, MOST_TOKENS) and isinstance(found, int) else None


def byte_count(told: dict[str, Any], name: str) -> int:
    """How many bytes it counted; 0 where it does not tell, or tells what can be no such count."""
    found = told.get(name, 0)
    return found if _is_number(found, MOST_BYTES) and isinstance(found, int) else 0


def milliseconds(told: dict[str, Any], name: str) -> float:
    """How long it took, of nanoseconds; 0 where it does not tell, or tells what can be no such time."""
    found = told.get(name, 0)
    return round(found / 1e6, 3) if _is_number(found, _LONGEST_MS * 1e6) else 0.0


def _is_number(found: object, most: float) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= most
