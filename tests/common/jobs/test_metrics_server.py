"""What a container of jobs shows: it serves no requests, and is scraped all the same."""

import os
import signal
import socket
import subprocess
import sys

import httpx
from prometheus_client.parser import text_string_to_metric_families

from common import metrics
from common.jobs.metrics_server import metrics_server
from tests.common.jobs.recording import Jobs
from tests.support.waiting import eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_container_of_jobs_answers_metrics_and_ends_when_it_is_told(jobs: Jobs) -> None:
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "functions.worker.jobs"],
        env=os.environ | {"METRICS_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def scrape() -> dict[str, float]:
        try:
            text = httpx.get(f"{url}/metrics").text
        except httpx.TransportError:
            return {}
        families = text_string_to_metric_families(text)
        return {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if sample.labels.get("function") in (None, "worker")
        }

    try:
        found = eventually(lambda: (seen := scrape()) and "lambkin_queue_depth" in seen and seen)
        assert isinstance(found, dict)
        assert found["lambkin_dead_jobs"] == 0
        assert httpx.get(f"{url}/").status_code == 404
        assert httpx.post(f"{url}/metrics").status_code == 501
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0


def test_a_port_that_is_taken_stops_no_jobs() -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 - as the server does
        other.listen()
        with metrics_server(other.getsockname()[1]):
            metrics.count(metrics.PASSWORD_HASHES)


def test_without_a_port_nothing_listens() -> None:
    with metrics_server(0):
        pass
