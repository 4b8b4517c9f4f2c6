"""A mail as MIME (RFC 5322, RFC 2046): text and HTML as alternatives, all of it 7-bit."""

from datetime import UTC, datetime
from email.errors import NonASCIILocalPartDefect
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from common.mail.rendering import Rendered


def address_of(text: str) -> Address:
    """The one address in `text`, such as `Name <a@b>` or `a@b`. Raises ValueError."""
    message = EmailMessage(policy=SMTP)
    message["To"] = text
    found = message["To"].addresses
    # Letters beyond ASCII before the @ are fine where the server takes them (RFC 6531).
    defects = [defect for defect in message["To"].defects if not isinstance(defect, NonASCIILocalPartDefect)]
    if len(found) != 1 or not found[0].domain or defects:
        raise ValueError("this is not one email address")
    address: Address = found[0]
    return address


def compose(rendered: Rendered, *, sender: Address, to: Address, key: UUID) -> EmailMessage:
    """The message; `key` is the same in each repetition of one mail. Raises ValueError for a broken header.

    SES replaces Message-ID and Date by its own, so that the key is in a header of ours as well.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{key}@{sender.domain}>"
    message["X-Mail-Key"] = str(key)
    # RFC 3834: no vacation notices in answer to this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return message
