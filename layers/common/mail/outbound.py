"""Enqueueing a mail in the transaction of what it tells about."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from common.jobs.outbox import enqueue

TASK: Final = "send_mail"
# A provider may be away for hours: 14 attempts take about four of them.
MAX_ATTEMPTS: Final = 14

TEMPLATES: Final[dict[str, frozenset[str]]] = {
    "verify_email": frozenset({"name", "link", "hours"}),
    "account_exists": frozenset({"name", "sign_in_link"}),
    "new_device": frozenset({"name", "device", "address", "time", "sessions_link", "reset_link"}),
    "api_key_created": frozenset({"name", "key_name", "reset_link"}),
    "reset_password": frozenset({"name", "link", "minutes"}),
    "password_changed": frozenset({"name", "reset_link"}),
    "change_email": frozenset({"name", "link", "hours"}),
    "email_in_use": frozenset({"name", "sign_in_link"}),
    "email_changed": frozenset({"name", "link", "days"}),
    "invitation": frozenset({"name", "link", "days"}),
    "deletion_requested": frozenset({"name", "link", "until"}),
    "deletion_by_administrator": frozenset({"name", "until"}),
    "account_erased": frozenset({"name", "home_link"}),
    "export_ready": frozenset({"name", "link", "days"}),
    "export_failed": frozenset({"name", "home_link"}),
}
"""The templates, and the values that each must be given. What ends with `link` is an http(s) URL."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_LINK: Final = re.compile(r"https?://[^\s<>\"]+")


def send_mail(session: Session, template: str, to: str, values: Mapping[str, Any]) -> UUID:
    """Enqueue a mail to the address `to` in the caller's transaction; gives the job's id.

    Address and values are encrypted at rest. Raises ValueError where a value is missing, a link is none, or
    the address or a value holds a control character: none may end a header's line.
    """
    check_mail(template, to, values)
    secret = {"template": template, "to": to, "values": dict(values)}
    return enqueue(session, "worker", TASK, secret=secret, max_attempts=MAX_ATTEMPTS)


def check_mail(template: str, to: str, values: Mapping[str, Any]) -> None:
    """Raises ValueError; see `send_mail`. The sentences hold no address and no value."""
    if template not in TEMPLATES:
        raise ValueError(f"there is no mail template {template!r}")
    if missing := TEMPLATES[template] - values.keys():
        raise ValueError(f"the mail template {template} also wants {', '.join(sorted(missing))}")
    if _CONTROL.search(to) or "@" not in to:
        raise ValueError("the address of a mail is not one")
    for name, value in values.items():
        if isinstance(value, str) and _CONTROL.search(value):
            raise ValueError(f"the value {name} of a mail holds a control character")
        if name.endswith("link") and value is not None and not _LINK.fullmatch(str(value)):
            raise ValueError(f"the value {name} of a mail is no http(s) URL")
