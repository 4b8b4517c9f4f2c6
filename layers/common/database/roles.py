"""The database role of each function, and the URL that it connects with."""

import hashlib
import hmac
from typing import Final

from sqlalchemy import URL, make_url

from common.functions import FUNCTIONS
from common.settings import secret_settings

ROLE_PREFIX: Final = "lambkin_"


def role_name(function: str) -> str:
    """The Postgres role of `function`."""
    return f"{ROLE_PREFIX}{function}"


def role_password(owner: URL, function: str) -> str:
    """The password of the role, derived from the owner's.

    Whoever holds the owner's URL could set it anyway; whoever holds a function's URL learns no other's.
    """
    key = str(owner.password or "").encode()
    return hmac.new(key, f"role:{role_name(function)}".encode(), hashlib.sha256).hexdigest()


def function_url(function: str) -> URL:
    """Where `function` connects: DATABASE_URL, with the function's own role in place of the owner.

    A DATABASE_URL that names a function's role already, as a deployment with one secret a function has it, is
    used as it is.
    """
    url = make_url(secret_settings().database_url)
    if not function or url.username in {role_name(each) for each in FUNCTIONS}:
        return url
    return url.set(username=role_name(function), password=role_password(url, function))
