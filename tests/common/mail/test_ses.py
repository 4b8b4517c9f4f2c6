from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from uuid import UUID, uuid4

import botocore.exceptions
import pytest
from moto.ses.models import ses_backends

from common.aws import aws_client
from common.mail import mail_probe
from common.mail.delivery import deliver_mail
from common.mail.transports import MailRefused
from tests.common.jobs.aws import SetEnvironment

ACCOUNT = "123456789012"  # moto's
VALUES = {"name": "Ada", "link": "https://lambkin.example/verify?token=t0ken", "hours": 24}


@pytest.fixture
def ses(moto_url: str, set_environment: SetEnvironment) -> None:
    sender = "Lämmchen <no-reply@lambkin.example>"
    set_environment(MAIL_TRANSPORT="ses", AWS_ENDPOINT_URL=moto_url, MAIL_FROM=sender)
    client = aws_client("sesv2", timeout_seconds=5)
    known = client.list_email_identities()["EmailIdentities"]
    if "lambkin.example" not in [each["IdentityName"] for each in known]:
        client.create_email_identity(EmailIdentity="lambkin.example")


def delivered(key: UUID) -> tuple[list[str], EmailMessage]:
    # The server runs in this process, and has no operation that shows what was sent.
    for sent in ses_backends[ACCOUNT]["us-east-1"].sent_messages:
        mail = message_from_string(sent.raw_data, policy=default)
        assert isinstance(mail, EmailMessage)
        if mail["X-Mail-Key"] == str(key):
            return sent.destinations, mail
    raise AssertionError(key)


@pytest.mark.usefixtures("ses")
def test_a_mail_leaves_through_ses_with_text_and_html() -> None:
    key = uuid4()
    deliver_mail("verify_email", "ada@lambkin.example", VALUES, key=key)
    destinations, mail = delivered(key)
    assert set(destinations) == {"ada@lambkin.example"}
    assert mail["From"] == "Lämmchen <no-reply@lambkin.example>"
    assert mail["Subject"] == "Confirm your email address for Lämmchen"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert VALUES["link"] in part.get_content()


@pytest.mark.usefixtures("ses")
def test_what_ses_rejects_is_a_refusal(set_environment: SetEnvironment) -> None:
    set_environment(MAIL_FROM="somebody@elsewhere.example")
    with pytest.raises(MailRefused, match="MessageRejected"):
        deliver_mail("verify_email", "ada@lambkin.example", VALUES, key=uuid4())


@pytest.mark.usefixtures("ses")
def test_ses_takes_no_address_beyond_ascii() -> None:
    with pytest.raises(MailRefused, match="ASCII"):
        deliver_mail("verify_email", "grüße@lambkin.example", VALUES, key=uuid4())


@pytest.mark.usefixtures("ses")
def test_ses_that_is_away_is_tried_again(set_environment: SetEnvironment) -> None:
    set_environment(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        deliver_mail("verify_email", "ada@lambkin.example", VALUES, key=uuid4())


@pytest.mark.usefixtures("ses")
def test_the_probe_asks_ses(set_environment: SetEnvironment) -> None:
    mail_probe().check()
    set_environment(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        mail_probe().check()
