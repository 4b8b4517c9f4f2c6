"""No secret is ever shown: the last look at every line before it is."""

import os
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from common.settings import INSECURE_KEY, INSECURE_SECRET, Settings

_SHORTEST: Final = 6
_HIDDEN: Final = "•••"
_VARIABLES: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_KNOWN: Final = frozenset({INSECURE_SECRET, INSECURE_KEY, "test", "emulator"})


def hiding(settings: Settings) -> Callable[[str], str]:
    """What replaces the secrets of the settings in a text. Very short ones are left: they are words."""
    urls = (
        settings.database_url,
        settings.smtp_url,
        settings.ollama_url,
        settings.aws_endpoint_url or "",
        settings.public_url,
        settings.internal_url,
        settings.frontend_url,
        settings.s3_public_url or "",
        *settings.function_urls.values(),
    )
    found = {settings.server_secret, *settings.encryption_keys, *map(_password, urls)}
    found |= {settings.origin_secret or "", settings.sentry_dsn or ""}
    found |= {part for value in settings.ollama_header_values.values() for part in (value, *value.split())}
    found |= {unquote(secret) for secret in found}
    found |= {os.environ.get(name, "") for name in _VARIABLES}
    secrets = sorted((each for each in found - _KNOWN if len(each) >= _SHORTEST), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    return hide


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
