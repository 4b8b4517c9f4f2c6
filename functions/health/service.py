"""What the backend needs, probed; what the functions say of themselves, asked."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any, Final

from common.errors import Unavailable
from common.functions import FUNCTIONS
from common.health import Probe, ProbeFailed, Prober
from common.ollama.probe import ollama_probe
from common.settings import get_settings
from functions.health.schemas import Readiness

OTHERS: Final = tuple(name for name in FUNCTIONS if name != "health")
_SECONDS: Final = 1.8


def _get(url: str) -> tuple[int, Any]:
    if not url.startswith(("http://", "https://")):
        raise ProbeFailed("the address is not http:// or https://")
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - checked above
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None
    except urllib.error.URLError as error:
        raise ProbeFailed(f"No connection: {error.reason}.") from None


def _database() -> None:
    # Imported here, as health must start fast and answer without a database.
    from common.probes import database_probe

    database_probe("health").check()


def _bucket() -> None:
    from common.aws import aws_client

    aws_client("s3", timeout_seconds=_SECONDS).head_bucket(Bucket=get_settings().bucket)


def _queue() -> None:
    from common.jobs import queue_probe

    queue_probe("worker").check()


def _mail() -> None:
    from common.mail import mail_probe

    mail_probe().check()


def _function(name: str) -> Probe:
    def check() -> None:
        settings = get_settings()
        base = settings.function_urls.get(name, settings.internal_url).rstrip("/")
        status, _ = _get(f"{base}/v1/{name}/readyz")
        if status != HTTPStatus.OK:
            raise ProbeFailed(f"{base}/v1/{name}/readyz answers with status {status}.")

    return Probe(name, check, f"See the log of {name}. Its address is from INTERNAL_URL or FUNCTION_URLS.")


SHARED: Final = (
    Probe("database", _database, "Is Postgres up, and was `lambkin migrate up` run? See DATABASE_URL."),
    Probe(
        "bucket", _bucket, "Does the bucket exist, and may this function see it? See BUCKET.", essential=False
    ),
    Probe("queue", _queue, "Does the queue exist? Jobs still run, up to a minute later.", essential=False),
    Probe(
        "mail", _mail, "Is the mail service up? Mails wait until it is. See MAIL_TRANSPORT.", essential=False
    ),
    ollama_probe(),
)


_prober: Final = Prober([*SHARED, *(_function(name) for name in OTHERS)])


async def readiness() -> Readiness:
    """What all probes found. Raises Unavailable, with the report, where nothing useful works."""
    report = await _prober.report()
    parts, answers = report.probes[: len(SHARED)], report.probes[len(SHARED) :]
    all_down = all(answer.state == "failed" for answer in answers)
    database_down = parts[0].state == "failed"
    failed = [probe for probe in report.probes if probe.state == "failed"]
    readiness = Readiness(state="degraded" if failed else "ok", probes=parts, functions=answers)
    if database_down or all_down:
        readiness.state = "unavailable"
        raise Unavailable("Nothing useful works.", retry_after=5, members=readiness.model_dump(mode="json"))
    return readiness
