import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from infra.local.mail import SIZE_LIMIT, Mailbox, MailServer


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


def letter(
    subject: str = "Hé", text: str = "Open https://x.example/é\n.dot\n", html: str = ""
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Lambkin <lambkin@localhost.localdomain>"
    message["To"] = "ada@lambkin.example"
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def send(mailbox: Mailbox, *messages: EmailMessage) -> None:
    def talk(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            for message in messages:
                client.send_message(message)

    async def serve() -> None:
        server = MailServer(mailbox)
        await server.start()
        try:
            await asyncio.to_thread(talk, server.port)
        finally:
            await server.stop()

    asyncio.run(serve())


def test_a_sent_mail_is_kept_with_both_its_parts(mailbox: Mailbox) -> None:
    send(mailbox, letter(html="<p>Hé</p>"))

    (mail,) = mailbox.newest(10)
    assert mail.subject == "Hé"
    assert mail.recipients == ["ada@lambkin.example"]
    assert mail.sender == "Lambkin <lambkin@localhost.localdomain>"
    assert mail.text == "Open https://x.example/é\n.dot\n"
    assert mail.html.strip() == "<p>Hé</p>"


def test_mails_are_listed_with_the_newest_first_and_followed_in_order(mailbox: Mailbox) -> None:
    send(mailbox, letter("one"), letter("two"), letter("three"))

    assert [mail.subject for mail in mailbox.newest(2)] == ["three", "two"]
    first = mailbox.newest(3)[-1]
    assert [mail.subject for mail in mailbox.newer_than(first.id)] == ["two", "three"]


def test_a_mail_that_is_too_large_is_refused_and_not_kept(mailbox: Mailbox) -> None:
    with pytest.raises(smtplib.SMTPDataError, match="too large"):
        send(mailbox, letter(text="x" * 70 * (SIZE_LIMIT // 70) + "\n" * 1000))
    assert mailbox.newest(10) == []


@pytest.mark.parametrize("name", ["../secrets", "", "a/b", "no-such-mail"])
def test_an_id_leads_nowhere_else(mailbox: Mailbox, name: str) -> None:
    assert mailbox.read(name) is None


def test_an_envelope_cannot_add_headers(mailbox: Mailbox) -> None:
    name = mailbox.store("a@b.example", ["c@d.example"], b"Subject: x\r\n\r\nhi")

    mail = mailbox.read(name)
    assert mail is not None
    assert (mail.sender, mail.subject, mail.text) == ("a@b.example", "x", "hi")
