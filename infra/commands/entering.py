"""What commands that work on an installation share: whose it is, and what to do where it is not there."""

import os
from typing import Final

from common.context import RequestContext, enter_context
from common.database.faults import from_database_error, sqlstate
from common.errors import Unavailable
from common.logs import configure_logs
from common.settings import get_settings
from infra.local import environment
from infra.local.home import Home
from infra.local.state import running_stack
from migrations.connections import explain

_UNDEFINED_TABLE: Final = "42P01"
_REFUSED_ROLE: Final = "28"


def enter(function: str, command: str) -> None:
    """Act as `function`, in the stack that runs here unless DATABASE_URL names another database.

    Raises HomeDamaged.
    """
    home = Home.find()
    stack = None if "DATABASE_URL" in os.environ else running_stack(home)
    if stack is not None and stack.postgres_port is not None:
        emulator = stack.emulator_url or None
        os.environ.update(environment.of_stack(home, stack.url, stack.postgres_port, emulator_url=emulator))
        get_settings.cache_clear()
    # For eyes, unless LOG_FORMAT says otherwise.
    os.environ.setdefault("LOG_FORMAT", "console")
    configure_logs()
    enter_context(RequestContext(function=function, method="COMMAND", path=command))


def advised(error: Exception) -> str:
    """What to do about a database that does not do its part. Raises other errors again: they are ours."""
    code = sqlstate(error)
    if code == _UNDEFINED_TABLE or code.startswith(_REFUSED_ROLE):
        return f"The database is not ready ({explain(error)}): run `lambkin migrate up` first."
    if isinstance(error, OSError) or isinstance(from_database_error(error), Unavailable):
        advice = "start the stack with `lambkin up`, or set DATABASE_URL"
        return f"The database cannot be reached ({explain(error)}): {advice}."
    raise error
