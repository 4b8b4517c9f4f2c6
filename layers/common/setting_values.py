"""Values of settings that have a form of their own."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

_DSN: Final = re.compile(r"https?://[^/@\s]+@[^/@\s]+(/[^/\s]+)*/\d+/?")
_SCANNER: Final = re.compile(r"tcp://[^/:\s]+:\d+|unix:///\S+")


def _dsn(value: str | None) -> str | None:
    if value and not _DSN.fullmatch(value):
        raise ValueError("must look like https://key@host/project")
    return value or None


def _scanner(value: str | None) -> str | None:
    if value and not _SCANNER.fullmatch(value):
        raise ValueError("must look like tcp://host:3310 or unix:///path/of/the.socket")
    return value or None


SentryDsn = Annotated[str | None, AfterValidator(_dsn)]
ScannerUrl = Annotated[str | None, AfterValidator(_scanner)]
