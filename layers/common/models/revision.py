"""The head of the migrations that these models were written for."""

from typing import Final

HEAD: Final = "0008"
"""Compared with the table `alembic_version` by readiness checks, in artifacts that hold no migrations."""
