"""What a database error means to the client, and whether repeating the transaction can help."""

from typing import Any, Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.errors import AppError, Conflict, InvalidInput, Unavailable

SERIALIZATION_FAILURE: Final = "40001"
DEADLOCK: Final = "40P01"
UNIQUE_VIOLATION: Final = "23505"
FOREIGN_KEY_VIOLATION: Final = "23503"

_RETRY_AFTER: Final = 2
# PostgreSQL's appendix "Error Codes": classes of the first two characters, then single codes.
_BUSY: Final = frozenset({SERIALIZATION_FAILURE, DEADLOCK, "55P03", "57014", "53300", "53400"})
_DOWN_CLASSES: Final = frozenset({"08", "53", "57", "58"})


def sqlstate(error: BaseException | None) -> str:
    """The SQLSTATE of a driver's or SQLAlchemy's error, or an empty string."""
    if isinstance(error, DBAPIError):
        error = error.orig
    code = getattr(error, "sqlstate", None)
    if code:
        return str(code)
    details: Any = error.args[0] if error is not None and error.args else None
    return str(details.get("C", "")) if isinstance(details, dict) else ""


def constraint(error: DBAPIError) -> str:
    """The name of the constraint that a statement violated, or an empty string."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name or "")
    details: Any = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(details.get("n", "")) if isinstance(details, dict) else ""


def is_conflict(error: DBAPIError) -> bool:
    """Two transactions were in each other's way: repeated, one goes through, or sees why it cannot.

    A foreign key is violated where another transaction has just deleted what this one had read.
    """
    return sqlstate(error) in (SERIALIZATION_FAILURE, DEADLOCK, FOREIGN_KEY_VIOLATION)


def is_lost(error: DBAPIError) -> bool:
    """The connection was lost; what was not committed has not happened."""
    return error.connection_invalidated or sqlstate(error).startswith(("08", "57P"))


def _is_unreachable(error: SQLAlchemyError, code: str) -> bool:
    if isinstance(error, PoolTimeout) or code in _BUSY or code[:2] in _DOWN_CLASSES:
        return True
    if code.startswith("28") or code == "3D000":
        return True
    return not code and isinstance(error, InterfaceError | OperationalError)


def describe_database_error(error: BaseException) -> str:
    """Class, SQLSTATE and constraint; empty for other errors.

    Never the message: it quotes the values of a statement, or the row that failed.
    """
    if not isinstance(error, DBAPIError):
        return ""
    return " ".join(part for part in (type(error).__name__, sqlstate(error), constraint(error)) if part)


def from_database_error(error: Exception) -> AppError | None:
    """What to tell the client; None where it is a fault of ours."""
    if isinstance(error, UnicodeEncodeError):
        # Half of a surrogate pair: JSON can carry it, Postgres cannot.
        return InvalidInput("A value cannot be stored.")
    if not isinstance(error, SQLAlchemyError):
        return None
    return _from_sqlstate(error, sqlstate(error))


def _from_sqlstate(error: SQLAlchemyError, code: str) -> AppError | None:
    if _is_unreachable(error, code):
        return Unavailable(
            "The database is busy or does not answer: try again shortly.", retry_after=_RETRY_AFTER
        )
    if code == UNIQUE_VIOLATION:
        return Conflict("This exists already.")
    if code == FOREIGN_KEY_VIOLATION:
        return Conflict("What this belongs to is gone, or is needed by something else.")
    # Data exceptions: a NUL byte, a number out of range, text that is not what the type wants.
    return InvalidInput("A value cannot be stored.") if code[:2] == "22" else None
