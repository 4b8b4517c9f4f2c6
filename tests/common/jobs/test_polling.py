import os
import signal
import subprocess
import sys
import threading

import pytest

from common.database import dispose_engines
from tests.common.jobs.aws import SetEnvironment
from tests.common.jobs.recording import Jobs, make_tasks
from tests.support.waiting import eventually


def test_polling_runs_what_is_due_until_it_is_told_to_stop(jobs: Jobs) -> None:
    stop, tasks = threading.Event(), make_tasks()
    polling = threading.Thread(target=tasks.poll, args=(stop, 0.02))
    polling.start()
    try:
        ids = [jobs.enqueue() for _ in range(5)]
        eventually(lambda: all(jobs.row(job_id).state == "done" for job_id in ids))
        assert all(jobs.effects(job_id) == [1] for job_id in ids)
    finally:
        stop.set()
        polling.join(10)
    assert not polling.is_alive()


def test_polling_outlives_a_database_that_is_away(
    jobs: Jobs, set_environment: SetEnvironment, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = jobs.enqueue()
    dispose_engines()
    set_environment(DATABASE_URL="postgresql+pg8000://nobody:secret@127.0.0.1:1/none")
    stop, tasks, said = threading.Event(), make_tasks(), []

    def heard() -> bool:
        said.append(capsys.readouterr().out)
        return "polling_failed" in "".join(said)

    polling = threading.Thread(target=tasks.poll, args=(stop, 0.02, 1))
    polling.start()
    try:
        eventually(heard)
        set_environment(DATABASE_URL=database_url)
        dispose_engines()
        eventually(lambda: jobs.row(job_id).state == "done")
    finally:
        stop.set()
        polling.join(10)


def test_the_workers_container_ends_on_sigterm(jobs: Jobs) -> None:
    assert jobs.count() == 0
    command = [sys.executable, "-m", "functions.worker.jobs"]
    environment = os.environ | {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
    job_id = jobs.enqueue("send_mail", secret={"template": "none", "to": "a@b.example", "values": {}})
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:
        try:
            eventually(lambda: jobs.row(job_id).state == "dead", 20)
            child.send_signal(signal.SIGTERM)
            assert child.wait(10) == 0
        finally:
            child.kill()
