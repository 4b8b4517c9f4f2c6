"""The functions there are: their database roles, and whom `health` asks, are made from this."""

from typing import Final

FUNCTIONS: Final = ("auth", "users", "files", "health", "worker", "ai")

PERSONAL: Final = ("auth", "users", "files", "ai")
"""Those that keep what belongs to a person: their `jobs.py` can `export_person` and `erase_person`."""
