"""`lambkin keys` as an operator runs it, in this process."""

from base64 import urlsafe_b64encode
from typing import Final

from typer.testing import CliRunner

from common.settings import get_settings
from infra.cli import application

OLD, NEW = (f"{name}:{urlsafe_b64encode(name.encode().ljust(32)).decode()}" for name in ("old.key", "new"))
BOTH: Final = f"{NEW},{OLD}"


def lambkin(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    get_settings.cache_clear()
    done = CliRunner().invoke(application, ["keys", *arguments])
    return done.exit_code, done.stdout, done.stderr


def succeeded(*arguments: str) -> str:
    code, said, complained = lambkin(*arguments)
    assert (code, complained) == (0, "")
    return said


def refused(*arguments: str) -> str:
    code, _, complained = lambkin(*arguments)
    assert code == 1
    assert complained.count("\n") == 1, "one sentence"
    return complained
