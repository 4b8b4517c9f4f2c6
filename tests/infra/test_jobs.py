import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local import jobs
from infra.local.discovery import Function
from infra.local.jobs import Feed
from infra.local.lambda_context import LambdaContext
from infra.local.resources import client, make_queue, provision
from tests.support.waiting import eventually

FUNCTION = Function("worker", serves_http=False, handles_jobs=True)
QUEUE = "lambkin-worker"


@pytest.fixture
def sqs(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    settings = {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "QUEUE_PREFIX": "lambkin-",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    made = client("sqs", os.environ)
    url = make_queue(made, QUEUE)
    yield made
    made.delete_queue(QueueUrl=url)


@pytest.fixture
def feed(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Feed a handler until a condition holds."""
    monkeypatch.setattr(jobs, "LONG_POLL", 1)
    feeds: list[tuple[Feed, threading.Thread]] = []

    def run(handler: jobs.Handler, condition: Callable[[], bool]) -> None:
        made = Feed(FUNCTION, handler)
        thread = threading.Thread(target=made.run)
        thread.start()
        feeds.append((made, thread))
        eventually(condition, 20)
        made.stop()
        thread.join(20)

    yield run
    for made, thread in feeds:
        made.stop()
        thread.join(20)


def send(sqs: Any, *bodies: str) -> str:
    url: str = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return url


def left(sqs: Any, url: str) -> int:
    """Messages that are in the queue, those in delivery included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in attributes.values())


def test_a_message_that_was_handled_leaves_the_queue(sqs: Any, feed: Any) -> None:
    url = send(sqs, "one", "two")
    handled: list[str] = []

    def handler(event: dict[str, Any], context: LambdaContext) -> None:
        assert context.get_remaining_time_in_millis() > 0
        handled.extend(record["body"] for record in event.get("Records", []))

    feed(handler, lambda: left(sqs, url) == 0)
    assert sorted(handled) == ["one", "two"]


def test_a_message_that_failed_stays_and_the_others_leave(sqs: Any, feed: Any) -> None:
    url = send(sqs, "good", "bad")
    delivered: list[str] = []

    def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
        records = event.get("Records", [])
        delivered.extend(record["body"] for record in records)
        failed = [record["messageId"] for record in records if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    feed(handler, lambda: sorted(delivered) == ["bad", "good"] and left(sqs, url) == 1)


def test_all_stay_where_the_handler_raises_and_the_feed_goes_on(sqs: Any, feed: Any) -> None:
    url = send(sqs, "one")
    ticks: list[str] = []

    def handler(event: dict[str, Any], _: LambdaContext) -> None:
        if "Records" in event:
            raise ValueError("no good")
        ticks.append(event["detail-type"])

    feed(handler, lambda: bool(ticks))
    assert left(sqs, url) == 1


def test_the_schedule_ticks_with_an_event_of_eventbridge(
    sqs: Any, feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SCHEDULE_SECONDS", 0.1)
    ticks: list[dict[str, Any]] = []

    def handler(event: dict[str, Any], _: LambdaContext) -> None:
        ticks.append(event)

    feed(handler, lambda: len(ticks) >= 2)
    assert {tick["source"] for tick in ticks} == {"aws.events"}
    assert {tick["detail-type"] for tick in ticks} == {"Scheduled Event"}
    assert ticks[0]["id"] != ticks[1]["id"]


def test_a_queue_that_is_away_is_told_once_and_stops_no_schedule(
    sqs: Any, feed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jobs, "SCHEDULE_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "PAUSE", 0.05)
    monkeypatch.setenv("QUEUE_PREFIX", "nowhere-")
    ticks: list[object] = []

    feed(lambda event, _: ticks.append(event), lambda: len(ticks) >= 3)
    assert capsys.readouterr().out.count("does not answer") == 1


def test_making_the_resources_again_changes_nothing(sqs: Any) -> None:
    environment = dict(os.environ) | {
        "BUCKET": "lambkin",
        "MAIL_FROM": "Lambkin <lambkin@localhost.localdomain>",
        "CORS_ORIGINS": "http://localhost:3000, https://lambkin.example/",
    }
    for _ in range(2):
        provision(environment, ["worker"])
    rules = client("s3", environment).get_bucket_cors(Bucket="lambkin")["CORSRules"]
    uploading = [rule["AllowedOrigins"] for rule in rules if "PUT" in rule["AllowedMethods"]]
    assert uploading == [["http://localhost:3000", "https://lambkin.example"]]

    # The server keeps one state a process, so other tests' queues may be there too.
    found = sqs.list_queues(QueueNamePrefix=QUEUE)["QueueUrls"]
    names = {url.rpartition("/")[2] for url in found}
    assert names == {QUEUE, f"{QUEUE}-dead"}
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert f"{QUEUE}-dead" in attributes["RedrivePolicy"]
