"""The child that feeds the job handlers: queue messages and schedule ticks, as Lambda would deliver them.

One thread a function, one event at a time: the handlers are used as if each were deployed with a concurrency
of one. Messages that a handler reports as failed, or all of a batch whose handler raised, stay in the queue;
the queue itself moves them to its dead letters after too many deliveries.
"""

import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from infra.local import discovery
from infra.local.importing import Broken, import_member
from infra.local.lambda_context import LambdaContext
from infra.local.resources import FAILURES, client
from infra.local.sqs_event import RAISED, failed_ids, sqs_event

BATCH = 10  # messages an event, as many as SQS gives at once
SCHEDULE_SECONDS = 10.0  # in production it is a minute; here nobody wants to wait so long
LONG_POLL = 2  # seconds; what a poll that was cut off took with it is hidden for a while, so it is short
PAUSE = 1.0  # seconds before the queue is asked again after it did not answer
DRAIN = 8.0  # seconds for a handler that is at work when the child is to end

type Handler = Callable[[dict[str, Any], LambdaContext], Any]


class Feed:
    """One function's events, one after the other, until it is told to stop."""

    def __init__(self, function: discovery.Function, handler: Handler) -> None:
        self.name = function.name
        self._handler = handler
        self._queue_name = os.environ["QUEUE_PREFIX"] + function.name
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._next_tick = time.monotonic()
        self._unreachable = False

    def run(self) -> None:
        """Deliver until `stop`."""
        sqs = client("sqs", os.environ)
        while not self._stop.is_set():
            if time.monotonic() >= self._next_tick:
                self._next_tick = time.monotonic() + SCHEDULE_SECONDS
                self._call(schedule_event(self.name))
            with self._reporting():
                self._deliver(sqs)

    def stop(self) -> None:
        """Deliver nothing more."""
        self._stop.set()

    def wait(self, patience: float) -> None:
        """Return when no handler is at work, or after `patience` seconds."""
        self._idle.wait(patience)

    def _deliver(self, sqs: Any) -> None:  # noqa: ANN401 - boto3's clients have no types
        url = sqs.get_queue_url(QueueName=self._queue_name)["QueueUrl"]
        until_tick = int(self._next_tick - time.monotonic())
        received = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=max(1, min(LONG_POLL, until_tick)),
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages = received.get("Messages", [])
        if not messages or self._stop.is_set():
            return
        event = sqs_event(messages, self._queue_name)
        failed = failed_ids(event, self._call(event))
        for message in messages:
            if message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _call(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 - a handler's own answer
        """What the handler returned, or `RAISED`."""
        self._idle.clear()
        try:
            return self._handler(event, LambdaContext(f"lambkin-{self.name}-jobs", timeout=60.0))
        except Exception:  # noqa: BLE001 - Lambda's retry takes whatever a handler raises
            print(f"[error    ] the job handler of {self.name} raised\n{traceback.format_exc()}", flush=True)
            return RAISED
        finally:
            self._idle.set()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Say once that the queue is away, and once that it is back; meanwhile the schedule goes on."""
        try:
            yield
        except FAILURES as error:
            if not self._unreachable:
                print(f"[warning  ] the queue {self._queue_name} does not answer: {error}", flush=True)
            self._unreachable = True
            self._stop.wait(PAUSE)
        else:
            if self._unreachable:
                print(f"[info     ] the queue {self._queue_name} answers again", flush=True)
            self._unreachable = False


def schedule_event(name: str) -> dict[str, Any]:
    """The event of an EventBridge rule that fires by the clock."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        "resources": [f"arn:aws:events:us-east-1:000000000000:rule/lambkin-{name}-schedule"],
        "detail": {},
    }


def _feed(function: discovery.Function) -> Feed | None:
    """The feed of a function, or none where it handles no jobs or cannot be imported."""
    if not function.handles_jobs:
        return None
    handler = import_member(function.jobs_module, "handler")
    if isinstance(handler, Broken):
        print(f"[error    ] the jobs of {function.name} cannot be imported\n{handler.trace}", flush=True)
        return None
    return Feed(function, handler)


def main() -> None:
    """Feed all handlers until SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    feeds = [feed for function in discovery.functions() if (feed := _feed(function)) is not None]
    for feed in feeds:
        threading.Thread(target=feed.run, daemon=True).start()
    names = ", ".join(feed.name for feed in feeds)
    print(f"[info     ] feeding the job handlers of {names}", flush=True)
    stopping.wait()
    for feed in feeds:
        feed.stop()
    deadline = time.monotonic() + DRAIN
    for feed in feeds:
        feed.wait(max(0.0, deadline - time.monotonic()))
    sys.stdout.flush()
    # A thread may sit in a long poll: nothing is lost by ending it there.
    os._exit(0)


if __name__ == "__main__":
    main()
