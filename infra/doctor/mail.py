"""Would mail leave?"""

import smtplib
import ssl
from collections.abc import Iterator
from email.utils import parseaddr

from common.mail.transports import smtp_connection
from common.settings import Settings
from infra.doctor import aws, exchange
from infra.doctor.findings import Check, Finding, failed, ok, warning
from infra.doctor.network import Way


class Smtp:
    """The checks of a mail server; nothing is sent."""

    def __init__(self, way: Way) -> None:
        self._way = way

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*self._way.checks, Check("answers", self.answers))

    def answers(self) -> Iterator[Finding]:
        """Greet it, encrypt, and sign in, as the worker does."""
        try:
            with smtp_connection(exchange.ANSWER_SECONDS) as connection:
                connection.noop()
        except smtplib.SMTPAuthenticationError:
            yield failed("The mail server refuses user and password.", "Correct them in SMTP_URL.")
        except ssl.SSLError:
            yield failed(
                "TLS with the mail server fails: its certificate is not accepted, or it speaks none "
                "on this port.",
                "smtps:// is for port 465; with smtp:// (587) encryption begins later. Or correct "
                "the certificate.",
            )
        except TimeoutError:
            yield _mute()
        except smtplib.SMTPException as error:
            yield _unlike_smtp(error)
        except OSError:
            yield failed("It closes the connection: no mail server, or one that refuses us.", "See its log.")
        else:
            yield ok("A mail server answers.")


def _mute() -> Finding:
    return failed(
        "It takes connections and does not greet: no mail server.",
        "Does SMTP_URL name the right port? smtps:// is for 465, smtp:// for 25, 587 and 1025.",
    )


def _unlike_smtp(error: smtplib.SMTPException) -> Finding:
    if isinstance(error.__context__, TimeoutError):
        # smtplib's own error for a greeting that does not come.
        return _mute()
    if type(error) is smtplib.SMTPException:
        return failed(
            "SMTP_URL has a password, and its server offers no encryption to send it through.",
            "Use smtps://, or a port on which the server offers STARTTLS (587).",
        )
    return failed(
        "Something else answers, not a mail server.", "Correct SMTP_URL, or stop what holds the port."
    )


class Ses:
    """The checks of SES."""

    def __init__(self, way: Way, settings: Settings) -> None:
        self._way = way
        self._sender = parseaddr(settings.mail_from)[1]

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*self._way.checks, Check("sender", self.sender), Check("account", self.account))

    def sender(self) -> Iterator[Finding]:
        """May we send as MAIL_FROM? SES wants the address or its domain verified."""
        domain = self._sender.rpartition("@")[2]
        pending = ""
        for identity in (self._sender, domain):
            try:
                found = aws.client("sesv2").get_email_identity(EmailIdentity=identity)
            except aws.failures() as error:
                if "NotFound" not in aws.code_of(error):
                    yield aws.refusal(error, "SES")
                    return
                continue
            if "IdentityType" not in found:
                yield from aws.something_else("SES", "AWS_ENDPOINT_URL")
                return
            if found.get("VerifiedForSendingStatus"):
                yield ok(f"SES sends as {identity}.")
                return
            pending = identity
        if pending:
            yield failed(
                f"SES has not verified {pending} yet.", "Follow the link or the DNS records that SES gave."
            )
        else:
            yield failed(
                f"SES does not know {self._sender}, nor {domain}.",
                "Verify one of them in SES (`lambkin up` does in the emulator), or correct MAIL_FROM.",
            )

    def account(self) -> Iterator[Finding]:
        """A new account of SES writes to verified addresses alone. Not every emulator tells."""
        try:
            found = aws.client("sesv2").get_account()
        except aws.failures():
            return
        if found.get("ProductionAccessEnabled") is False:
            yield warning(
                "SES is in its sandbox: mails reach verified addresses only.",
                "Request production access in SES.",
            )
        if found.get("SendingEnabled") is False:
            yield failed(
                "SES has stopped this account's sending.", "See the account's reputation in SES.", ends=False
            )
