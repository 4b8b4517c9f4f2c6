"""How a mail leaves: SES, or a server that speaks SMTP."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formataddr
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from common import tracing
from common.aws import aws_client
from common.settings import get_settings, secret_settings

SEND_SECONDS: Final = 10.0
_DEFAULT_PORTS: Final = {"smtp": 25, "smtps": 465}
_PERMANENT: Final = 500
# SES' errors of one mail; the others are about the account or the moment.
_REFUSALS: Final = ("MessageRejected", "BadRequestException")


class MailRefused(Exception):
    """This mail, to this address, will never be taken."""


def send_message(message: EmailMessage, sender: Address, to: Address) -> None:
    """Send it by MAIL_TRANSPORT. Raises MailRefused, or whatever a repetition may cure."""
    if get_settings().mail_transport == "ses":
        _send_by_ses(message, sender, to)
    else:
        _send_by_smtp(message, sender, to)


def _send_by_ses(message: EmailMessage, sender: Address, to: Address) -> None:
    from botocore.exceptions import ClientError

    if not to.addr_spec.isascii():
        raise MailRefused("SES does not take addresses beyond ASCII")
    try:
        aws_client("sesv2", timeout_seconds=SEND_SECONDS).send_email(
            FromEmailAddress=formataddr((sender.display_name, sender.addr_spec)),
            Destination={"ToAddresses": [to.addr_spec]},
            Content={"Raw": {"Data": message.as_bytes()}},
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _REFUSALS:
            raise MailRefused(f"SES answers {code}: {error.response['Error'].get('Message', '')}") from error
        raise


def _send_by_smtp(message: EmailMessage, sender: Address, to: Address) -> None:
    host = urlsplit(secret_settings().smtp_url).hostname or ""
    with tracing.call("smtp send", **{"server.address": host}), smtp_connection(SEND_SECONDS) as connection:
        try:
            connection.send_message(message, from_addr=sender.addr_spec, to_addrs=[to.addr_spec])
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            if code >= _PERMANENT:
                raise MailRefused(f"the server answers {code}: {reason.decode(errors='replace')}") from error
            raise
        except smtplib.SMTPDataError as error:
            if error.smtp_code >= _PERMANENT:
                raise MailRefused(f"the server answers {error.smtp_code}: {error.smtp_error!r}") from error
            raise
        except smtplib.SMTPNotSupportedError as error:
            raise MailRefused("the mail server does not take addresses beyond ASCII") from error


@contextmanager
def smtp_connection(timeout_seconds: float) -> Iterator[smtplib.SMTP]:
    """A connection to SMTP_URL, encrypted where the server offers it, and signed in where the URL has a user.

    TLS is verified against the machine's authorities. Raises what smtplib and sockets raise; SMTPException
    where a password would travel in the clear.
    """
    url = urlsplit(secret_settings().smtp_url)
    context = ssl.create_default_context()
    connection = _connect(url, context, timeout_seconds)
    try:
        _secure(connection, url, context)
        yield connection
        # What was sent is sent, whatever a server says to a farewell.
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
    finally:
        connection.close()


def _secure(connection: smtplib.SMTP, url: SplitResult, context: ssl.SSLContext) -> None:
    """Encrypt and sign in, as far as the URL asks for it and the server offers it."""
    connection.ehlo()
    encrypted = url.scheme == "smtps"
    if not encrypted and connection.has_extn("starttls"):
        connection.starttls(context=context)
        connection.ehlo()
        encrypted = True
    if url.username:
        if not encrypted and not _is_near(url.hostname or ""):
            raise smtplib.SMTPException("SMTP_URL has a password and its server offers no encryption")
        connection.login(unquote(url.username), unquote(url.password or ""))


def _connect(url: SplitResult, context: ssl.SSLContext, timeout_seconds: float) -> smtplib.SMTP:
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise smtplib.SMTPException("SMTP_URL must look like smtp://user:password@host:587 or smtps://…")
    port = url.port or _DEFAULT_PORTS[url.scheme]
    # Given, as smtplib would look the machine's full name up in the DNS.
    name = socket.gethostname()
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(url.hostname, port, name, timeout=timeout_seconds, context=context)
    return smtplib.SMTP(url.hostname, port, name, timeout=timeout_seconds)


def _is_near(host: str) -> bool:
    """Whether it is this machine, or a name without a dot, as in a Docker network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host
