"""Who owns each table, and what each function's database role may do in it: the grants are made from this."""

from dataclasses import dataclass
from typing import Final, Literal

from common.functions import FUNCTIONS, PERSONAL

__all__ = ["ALL", "FUNCTIONS", "OWNERSHIP", "Ownership"]

ALL: Final = frozenset(FUNCTIONS)


@dataclass(frozen=True, slots=True)
class Columns:
    """A right on some columns of a table, for functions that have none on all of it."""

    privilege: Literal["select", "update"]
    names: tuple[str, ...]
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ownership:
    """`owner` is a function, or `common` where several write through one module of the layer.

    The other fields name the functions whose role gets SELECT, INSERT, UPDATE, DELETE. `sweep` gets DELETE
    and SELECT on `sweep_columns` alone: enough to remove what has expired, not to read it. `columns` are
    rights on parts of the table.
    """

    owner: str
    select: frozenset[str] = frozenset()
    insert: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()
    sweep: frozenset[str] = frozenset()
    sweep_columns: tuple[str, ...] = ("expires_at",)
    columns: tuple[Columns, ...] = ()


def _owned(
    function: str,
    *,
    select: frozenset[str] = frozenset(),
    sweep: frozenset[str] = frozenset(),
    columns: tuple[Columns, ...] = (),
) -> Ownership:
    own = frozenset({function})
    return Ownership(
        function, select=select | own, insert=own, update=own, delete=own, sweep=sweep, columns=columns
    )


# `health` serves no tokens, keys, limits or jobs: it looks at the schema's version, and asks the others.
_SERVING: Final = ALL - {"health"}
_ACCOUNTS: Final = frozenset({"auth", "users"})
_WORKER: Final = frozenset({"worker"})
_USERS: Final = frozenset({"users"})
_PERSONAL: Final = frozenset(PERSONAL)

OWNERSHIP: Final[dict[str, Ownership]] = {
    "users": Ownership(
        "common",
        select=_ACCOUNTS,
        insert=_ACCOUNTS,
        update=_ACCOUNTS,
        delete=_ACCOUNTS,
        # What an API key may do depends on its account, in every function.
        columns=(Columns("select", ("id", "state", "roles"), _SERVING - _ACCOUNTS),),
    ),
    "sessions": Ownership(
        "common",
        select=_ACCOUNTS,
        insert=_ACCOUNTS,
        update=_ACCOUNTS,
        delete=_ACCOUNTS,
        sweep=_WORKER,
        # Sensitive operations look the session up, in every function.
        columns=(
            Columns(
                "select",
                ("id", "user_id", "revoked_at", "expires_at", "authenticated_at"),
                _SERVING - _ACCOUNTS,
            ),
        ),
    ),
    "roles": _owned("users", select=_SERVING),
    "passwords": _owned("auth"),
    "pending_registrations": _owned("auth"),
    "refresh_tokens": _owned("auth", sweep=_WORKER),
    "one_time_tokens": Ownership(
        "common", select=_ACCOUNTS, insert=_ACCOUNTS, update=_ACCOUNTS, delete=_ACCOUNTS, sweep=_WORKER
    ),
    "api_keys": _owned(
        "auth", select=_SERVING, columns=(Columns("update", ("last_used_at",), _SERVING - {"auth"}),)
    ),
    "signing_keys": _owned("auth", select=_SERVING),
    "signing_secrets": _owned("auth"),
    "bulk_invitations": _owned("users"),
    "bulk_invitation_lines": _owned("users"),
    "exports": _owned("users"),
    "export_parts": Ownership("common", select=_USERS, insert=_PERSONAL, delete=_USERS),
    "erasure_reports": Ownership("common", select=_USERS, insert=_PERSONAL),
    "file_contents": _owned("files"),
    "files": _owned("files"),
    "uploads": _owned("files"),
    "storage_usage": _owned("files"),
    "stored_objects": _owned("files"),
    "conversations": _owned("ai"),
    "messages": _owned("ai"),
    "generations": _owned("ai"),
    "generation_parts": _owned("ai"),
    "conversation_summaries": _owned("ai"),
    "ai_usage": _owned("ai"),
    "ai_reservations": _owned("ai"),
    "ai_quotas": _owned("ai"),
    "ai_models": _owned("ai"),
    "model_pulls": _owned("ai"),
    "audit_log": Ownership("common", select=_USERS, insert=_SERVING),
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
