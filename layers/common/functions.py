"""The functions there are: their database roles, and whom `health` asks, are made from this."""

from typing import Final

FUNCTIONS: Final = ("auth", "users", "health", "worker")
