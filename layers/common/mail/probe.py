"""Can mail leave?"""

from typing import Final

from common.health import Probe, ProbeFailed
from common.settings import get_settings

_SECONDS: Final = 1.5


def mail_probe() -> Probe:
    """Does SES or the SMTP server answer? Mails wait for it as jobs, so it is not essential."""

    def check() -> None:
        if get_settings().mail_transport == "ses":
            _ask_ses()
        else:
            _ask_smtp()

    return Probe(
        "mail",
        check,
        "Mails wait: does MAIL_TRANSPORT fit, and is there a server at SMTP_URL or AWS_ENDPOINT_URL?",
        essential=False,
    )


def _ask_ses() -> None:
    from common.aws import aws_client

    aws_client("sesv2", timeout_seconds=_SECONDS).list_email_identities(PageSize=1)


def _ask_smtp() -> None:
    import smtplib

    from common.mail.transports import smtp_connection

    try:
        with smtp_connection(_SECONDS) as connection:
            connection.noop()
    except smtplib.SMTPException as error:
        raise ProbeFailed(f"The mail server refuses us: {type(error).__name__}.") from error
