import smtplib
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from common.health import ProbeFailed
from common.mail import mail_probe
from common.mail.delivery import deliver_mail
from common.mail.transports import MailRefused, smtp_connection
from tests.common.jobs.aws import SetEnvironment
from tests.common.mail.smtp import PASSWORD, USER, Mailbox, smtp_server

VALUES = {"name": "Ada", "link": "https://lambkin.example/verify?token=t0ken", "hours": 24}
KEY = uuid4()


def deliver() -> None:
    deliver_mail("verify_email", "ada@lambkin.example", VALUES, key=KEY)


def credentials() -> str:
    return f"{USER}:{quote(PASSWORD, safe='')}"


def test_a_mail_arrives_with_text_and_html(mailbox: Mailbox) -> None:
    deliver()
    [mail] = mailbox.mails
    assert mailbox.envelopes == [("no-reply@lambkin.example", ["ada@lambkin.example"])]
    assert mail["From"] == "Lambkin <no-reply@lambkin.example>"
    assert mail["To"] == "ada@lambkin.example"
    assert mail["Subject"] == "Confirm your email address for Lambkin"
    assert mail.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert VALUES["link"] in part.get_content()


def test_repetitions_of_a_mail_can_be_recognised(mailbox: Mailbox) -> None:
    deliver()
    deliver()
    assert [mail["Message-ID"] for mail in mailbox.mails] == [f"<{KEY}@lambkin.example>"] * 2
    assert [mail["X-Mail-Key"] for mail in mailbox.mails] == [str(KEY)] * 2


def test_a_mail_says_that_a_machine_wrote_it(mailbox: Mailbox) -> None:
    deliver()
    assert mailbox.mails[0]["Auto-Submitted"] == "auto-generated"
    assert mailbox.mails[0]["Date"].datetime is not None


def test_what_the_server_offers_in_encryption_is_used_and_verified(
    certificate: Path, set_environment: SetEnvironment
) -> None:
    with smtp_server(certificate) as (mailbox, port):
        set_environment(MAIL_TRANSPORT="smtp", SMTP_URL=f"smtp://127.0.0.1:{port}")
        with pytest.raises(ssl.SSLCertVerificationError):
            deliver()
        set_environment(SSL_CERT_FILE=str(certificate))
        deliver()
    assert mailbox.encrypted == [True]


def test_smtps_is_encrypted_from_the_start(certificate: Path, set_environment: SetEnvironment) -> None:
    with smtp_server(certificate, from_the_start=True) as (mailbox, port):
        url = f"smtps://{credentials()}@127.0.0.1:{port}"
        set_environment(MAIL_TRANSPORT="smtp", SMTP_URL=url, SSL_CERT_FILE=str(certificate))
        deliver()
    assert mailbox.signed_in == [True]


def test_the_url_can_sign_in(set_environment: SetEnvironment) -> None:
    with smtp_server() as (mailbox, port):
        set_environment(MAIL_TRANSPORT="smtp", SMTP_URL=f"smtp://{credentials()}@127.0.0.1:{port}")
        deliver()
        set_environment(SMTP_URL=f"smtp://{USER}:wrong@127.0.0.1:{port}")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            deliver()
    assert mailbox.signed_in == [True]


def test_no_password_travels_in_the_clear_to_a_far_host(
    mailbox: Mailbox, set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mailbox.mails == []
    monkeypatch.setattr("common.mail.transports._is_near", lambda _: False)
    with smtp_server() as (_, port):
        set_environment(SMTP_URL=f"smtp://{credentials()}@127.0.0.1:{port}")
        with pytest.raises(smtplib.SMTPException, match="no encryption"):
            deliver()


def test_an_address_that_is_refused_for_good_is_a_refusal(mailbox: Mailbox) -> None:
    mailbox.recipient_answer = "550 5.1.1 no such user"
    with pytest.raises(MailRefused, match=r"550: 5\.1\.1 no such user"):
        deliver()


def test_a_content_that_is_refused_for_good_is_a_refusal(mailbox: Mailbox) -> None:
    mailbox.content_answer = "554 5.7.1 smells of spam"
    with pytest.raises(MailRefused, match="554"):
        deliver()


@pytest.mark.parametrize("place", ["recipient_answer", "content_answer"])
def test_what_the_server_cannot_take_now_is_tried_again(mailbox: Mailbox, place: str) -> None:
    setattr(mailbox, place, "451 4.3.0 later")
    with pytest.raises(smtplib.SMTPException):
        deliver()
    setattr(mailbox, place, "")
    deliver()
    assert len(mailbox.mails) == 1


def test_an_address_beyond_ascii_arrives_where_the_server_takes_it(mailbox: Mailbox) -> None:
    deliver_mail("verify_email", "grüße@lambkin.example", VALUES, key=KEY)
    assert mailbox.envelopes[0][1] == ["grüße@lambkin.example"]


def test_the_probe_tells_whether_the_server_answers(
    mailbox: Mailbox, set_environment: SetEnvironment
) -> None:
    assert mailbox.mails == []
    mail_probe().check()
    set_environment(SMTP_URL="smtp://127.0.0.1:1")
    with pytest.raises(ConnectionRefusedError):
        mail_probe().check()
    set_environment(SMTP_URL="http://127.0.0.1:1")
    with pytest.raises(ProbeFailed):
        mail_probe().check()
    assert not mail_probe().essential


def test_a_server_that_says_nothing_is_not_waited_for(set_environment: SetEnvironment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        set_environment(MAIL_TRANSPORT="smtp", SMTP_URL=f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)), smtp_connection(0.2):
            pass
    assert time.monotonic() - started < 2


def test_a_mail_that_was_taken_is_sent_whatever_the_farewell_says(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: smtplib.SMTP) -> None:
        raise smtplib.SMTPResponseException(421, "too late")

    monkeypatch.setattr(smtplib.SMTP, "quit", refuse)
    deliver()
    assert len(mailbox.mails) == 1
