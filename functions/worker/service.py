"""What the worker's tasks mean."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from common import metrics
from common.database import Database
from common.jobs import JobContext, Permanent, delete_finished
from common.logs import get_logger
from common.mail.outbound import TEMPLATES
from common.models import IdempotencyKey, OneTimeToken, RateLimit, RefreshToken
from common.models import Session as SignIn
from functions.worker import repository

log = get_logger(__name__)

BATCH: Final = 1000
# A backlog is worked off over several sweeps: each ends in bounded time.
MOST_BATCHES: Final = 20

KEPT_AFTER_EXPIRY: Final[dict[type[repository.Expiring], timedelta]] = {
    IdempotencyKey: timedelta(),
    RateLimit: timedelta(),
    OneTimeToken: timedelta(),
    RefreshToken: timedelta(),
    SignIn: timedelta(days=30),
}
DONE_JOBS_KEPT: Final = timedelta(days=7)
DEAD_JOBS_KEPT: Final = timedelta(days=90)


def send_mail(job: JobContext) -> None:
    """Deliver the mail of a job. Raises Permanent where its address or its content is refused."""
    # Imported here: a sweep needs neither Jinja nor a mail server.
    from common.mail.delivery import deliver_mail
    from common.mail.transports import MailRefused

    mail = job.secret
    template, outcome = mail["template"], "failed"
    try:
        deliver_mail(template, mail["to"], mail["values"], key=job.id)
        outcome = "sent"
    except MailRefused as error:
        outcome = "refused"
        raise Permanent(str(error)) from error
    finally:
        known = template if template in TEMPLATES else "unknown"
        metrics.count(metrics.MAILS, template=known, outcome=outcome)


def sweep_expired(database: Database) -> None:
    """Delete what is past its time, in batches of a transaction each."""
    for table, kept in KEPT_AFTER_EXPIRY.items():
        expired = partial(repository.delete_expired, table=table, kept=kept, limit=BATCH)
        _sweep(database, table.__tablename__, expired)
    done = partial(delete_finished, state="done", older_than=DONE_JOBS_KEPT, limit=BATCH)
    _sweep(database, "done_jobs", done)
    dead = partial(delete_finished, state="dead", older_than=DEAD_JOBS_KEPT, limit=BATCH)
    _sweep(database, "dead_jobs", dead)


def _sweep(database: Database, what: str, delete_batch: Callable[[Session], int]) -> None:
    total = 0
    for _ in range(MOST_BATCHES):
        deleted = database.transaction(delete_batch)
        total += deleted
        if deleted < BATCH:
            break
    if total:
        log.info("swept", what=what, number=total)
