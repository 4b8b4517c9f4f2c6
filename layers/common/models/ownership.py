"""Who owns each table, and what each function's database role may do in it: the grants are made from this."""

from dataclasses import dataclass
from typing import Final

from common.functions import FUNCTIONS

__all__ = ["ALL", "FUNCTIONS", "OWNERSHIP", "Ownership"]

ALL: Final = frozenset(FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Ownership:
    """`owner` is a function, or `common` where several write through one module of the layer.

    The other fields name the functions whose role gets SELECT, INSERT, UPDATE, DELETE. `sweep` gets DELETE
    and SELECT on `sweep_columns` alone: enough to remove what has expired, not to read it.
    """

    owner: str
    select: frozenset[str] = frozenset()
    insert: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()
    sweep: frozenset[str] = frozenset()
    sweep_columns: tuple[str, ...] = ("expires_at",)


def _owned(
    function: str, *, select: frozenset[str] = frozenset(), sweep: frozenset[str] = frozenset()
) -> Ownership:
    own = frozenset({function})
    return Ownership(function, select=select | own, insert=own, update=own, delete=own, sweep=sweep)


# `health` serves no tokens, keys, limits or jobs: it looks at the schema's version, and asks the others.
_SERVING: Final = ALL - {"health"}
_ACCOUNTS: Final = frozenset({"auth", "users"})
_WORKER: Final = frozenset({"worker"})

OWNERSHIP: Final[dict[str, Ownership]] = {
    "users": Ownership("common", select=_ACCOUNTS, insert=_ACCOUNTS, update=_ACCOUNTS, delete=_ACCOUNTS),
    "sessions": Ownership(
        "common", select=_ACCOUNTS, insert=_ACCOUNTS, update=_ACCOUNTS, delete=_ACCOUNTS, sweep=_WORKER
    ),
    "passwords": _owned("auth"),
    "refresh_tokens": _owned("auth", sweep=_WORKER),
    "one_time_tokens": _owned("auth", sweep=_WORKER),
    "signing_keys": _owned("auth", select=_SERVING),
    "signing_secrets": _owned("auth"),
    "audit_log": Ownership("common", insert=_SERVING),
    "jobs": Ownership(
        "common",
        select=_SERVING,
        insert=_SERVING,
        update=_SERVING,
        sweep=_WORKER,
        sweep_columns=("state", "finished_at"),
    ),
    "idempotency_keys": Ownership(
        "common", select=_SERVING, insert=_SERVING, update=_SERVING, delete=_SERVING
    ),
    "rate_limits": Ownership("common", select=_SERVING, insert=_SERVING, update=_SERVING, delete=_SERVING),
    "alembic_version": Ownership("migrations", select=ALL),
}
