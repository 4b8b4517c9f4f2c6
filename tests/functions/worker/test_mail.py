from uuid import UUID

from sqlalchemy import text

from common.database.transactions import Database
from common.mail import send_mail
from functions.worker.jobs import handler
from tests.common.jobs.aws import SetEnvironment
from tests.common.jobs.wake_ups import as_event
from tests.common.mail.smtp import Mailbox
from tests.support.numbers import number

VALUES = {"name": "Ada", "link": "https://lambkin.example/verify?token=t0ken", "hours": 24}


def enqueue() -> UUID:
    return Database("auth").transaction(
        lambda session: send_mail(session, "verify_email", "ada@lambkin.example", VALUES)
    )


def state(owner: Database, job_id: UUID) -> tuple[str, str | None]:
    statement = text("select state, last_error from jobs where id = :id")
    row = owner.transaction(lambda session: session.execute(statement, {"id": str(job_id)}).one())
    return row.state, row.last_error


def sent(outcome: str) -> float:
    return number("lambkin_mails_total", outcome=outcome)


def test_a_mail_that_a_function_enqueued_arrives_once(owner: Database, mailbox: Mailbox) -> None:
    job_id, before = enqueue(), sent("sent")
    for _ in range(2):
        assert handler(as_event(job_id)) == {"batchItemFailures": []}
    assert sent("sent") == before + 1
    assert mailbox.envelopes == [("no-reply@lambkin.example", ["ada@lambkin.example"])]
    assert mailbox.mails[0]["X-Mail-Key"] == str(job_id)
    assert state(owner, job_id) == ("done", None)


def test_neither_address_nor_link_is_readable_in_the_row(owner: Database) -> None:
    enqueue()
    row = owner.transaction(lambda session: str(session.execute(text("select * from jobs")).all()))
    assert "lambkin.example" not in row
    assert "t0ken" not in row


def test_a_refused_address_is_a_dead_job_that_does_not_say_the_address(
    owner: Database, mailbox: Mailbox
) -> None:
    mailbox.recipient_answer = "550 5.1.1 <ada@lambkin.example> is not known here"
    job_id, before = enqueue(), sent("refused")
    handler(as_event(job_id))
    assert sent("refused") == before + 1
    assert state(owner, job_id) == (
        "dead",
        "Permanent: the server answers 550: 5.1.1 <[redacted]> is not known here",
    )


def test_a_mail_waits_for_its_server(
    owner: Database, mailbox: Mailbox, set_environment: SetEnvironment
) -> None:
    job_id = enqueue()
    there = {"SMTP_URL": f"smtp://127.0.0.1:{_port()}"}
    set_environment(SMTP_URL="smtp://127.0.0.1:1")
    before = sent("failed")
    handler(as_event(job_id))
    assert sent("failed") == before + 1
    assert state(owner, job_id)[0] == "queued"
    set_environment(**there)
    owner.transaction(lambda session: session.execute(text("update jobs set run_at = now()")))
    handler({"source": "aws.events"})
    assert len(mailbox.mails) == 1


def _port() -> str:
    from common.settings import get_settings

    return get_settings().smtp_url.rpartition(":")[2]
