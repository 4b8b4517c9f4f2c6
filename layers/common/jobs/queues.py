"""Wake-up messages: sent after the commit, at most one second, never repeated, never a failure of anyone.

What is lost here is sent again by the schedule, or found by who polls Postgres: the row is the truth.
"""

import atexit
import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from common import metrics, tracing
from common.aws import aws_client
from common.health import Probe, ProbeFailed
from common.logs import get_logger
from common.settings import IN_LAMBDA, get_settings

log = get_logger(__name__)

SEND_SECONDS: Final = 1.0
LONGEST_DELAY: Final = 900  # seconds; SQS takes no more
_BATCH: Final = 10
_MOST_PENDING: Final = 1000
_urls: dict[tuple[str | None, str], str] = {}


@dataclass(frozen=True, slots=True)
class WakeUp:
    """A message from `sender` to `function` that a job is due in `delay_seconds` (0 to 900)."""

    function: str
    job_id: UUID
    delay_seconds: int = 0
    traceparent: str = ""
    sender: str = ""


def announce(wake_ups: Sequence[WakeUp]) -> None:
    """Hand the messages to the sender. Never raises.

    A server goes on at once. In Lambda the process stands still after its answer, so there it waits for the
    sender, for SEND_SECONDS at most.
    """
    if not wake_ups or not get_settings().queues:
        return
    sender.offer(wake_ups)
    if IN_LAMBDA:
        sender.flush(SEND_SECONDS)


def send(function: str, wake_ups: Sequence[WakeUp]) -> None:
    """Send at most ten messages in one call. Raises botocore's errors."""
    sqs = aws_client("sqs", timeout_seconds=SEND_SECONDS)
    key = (get_settings().aws_endpoint, get_settings().queue_prefix + function)
    if key not in _urls:
        _urls[key] = sqs.get_queue_url(QueueName=key[1])["QueueUrl"]
    entries = [_entry(str(number), wake_up) for number, wake_up in enumerate(wake_ups)]
    try:
        carried = [each.traceparent for each in wake_ups if each.traceparent]
        with tracing.sending(function, wake_ups[0].sender, carried):
            refused = sqs.send_message_batch(QueueUrl=_urls[key], Entries=entries).get("Failed", [])
    except Exception:
        # The queue may have been made anew at another address.
        del _urls[key]
        raise
    if refused:
        _count_lost(function, len(refused), refused[0].get("Code", ""))


def _entry(number: str, wake_up: WakeUp) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Id": number,
        "MessageBody": json.dumps({"job_id": str(wake_up.job_id), "function": wake_up.function}),
        "DelaySeconds": wake_up.delay_seconds,
    }
    if wake_up.traceparent:
        carried = {"DataType": "String", "StringValue": wake_up.traceparent}
        entry["MessageAttributes"] = {"traceparent": carried}
    return entry


def _count_lost(function: str, number: int, reason: str) -> None:
    metrics.count(metrics.WAKE_UPS_LOST, number, function=function)
    log.warning("wake_ups_lost", queue=function, number=number, error=reason)


class Sender:
    """One background thread, and at most a thousand messages that wait for it."""

    def __init__(self) -> None:
        """The thread starts with the first message."""
        self._changed = threading.Condition()
        self._pending: deque[WakeUp] = deque()
        self._sending = False
        self._thread: threading.Thread | None = None

    def offer(self, wake_ups: Sequence[WakeUp]) -> None:
        """Take the messages, or count those as lost for which there is no room."""
        with self._changed:
            room = _MOST_PENDING - len(self._pending)
            self._pending.extend(wake_ups[:room])
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="wake-ups", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if len(wake_ups) > room:
            _count_lost(wake_ups[-1].function, len(wake_ups) - room, "NoRoom")

    def flush(self, seconds: float) -> bool:
        """Wait until all are sent or given up, at most `seconds`; says whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and not self._sending, seconds)

    def _work(self) -> None:
        while True:
            batch = self._take()
            try:
                send(batch[0].function, batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message is lost and the job is not
                self._give_up(batch, type(error).__name__)
            with self._changed:
                self._sending = False
                self._changed.notify_all()

    def _take(self) -> list[WakeUp]:
        """Wait for messages; the next of them that go to one queue, as many as one call takes."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending)
            self._sending = True
            function = self._pending[0].function
            batch: list[WakeUp] = []
            while self._pending and self._pending[0].function == function and len(batch) < _BATCH:
                batch.append(self._pending.popleft())
            return batch

    def _give_up(self, batch: Sequence[WakeUp], reason: str) -> None:
        # What waits behind a failure would fail as well, one second each.
        function = batch[0].function
        with self._changed:
            others = [wake_up for wake_up in self._pending if wake_up.function != function]
            lost = len(batch) + len(self._pending) - len(others)
            self._pending = deque(others)
        _count_lost(function, lost, reason)


sender = Sender()
# A command that enqueues and ends still gets its messages out.
atexit.register(sender.flush, SEND_SECONDS)


def queue_probe(function: str) -> Probe:
    """Does the queue of `function` exist and answer? Without it jobs still run, up to a minute later."""

    def check() -> None:
        if get_settings().queues:
            _find_queue(get_settings().queue_prefix + function)

    return Probe(
        "queue",
        check,
        "Is SQS or the emulator up, and does AWS_ENDPOINT_URL name it? Until then jobs start a minute late.",
        essential=False,
    )


def _find_queue(name: str) -> None:
    from botocore.exceptions import ClientError

    try:
        aws_client("sqs", timeout_seconds=SEND_SECONDS).get_queue_url(QueueName=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
            raise ProbeFailed(f"There is no queue {name}.") from None
        raise ProbeFailed(f"The queue {name} answers {code}.") from None
