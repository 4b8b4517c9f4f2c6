"""Walks files from upload to deletion, and dies at every step of that, one after another.

    python -m tests.functions.files.walking killed|cut-off EVERY

A step is a call of the bucket or a commit, before and after it. For each of them a process of its own,
forked here so that nothing is imported anew, walks until that step: there it is killed, or the bucket's
service is stopped, as its clients see it. That is started again, and another process then does what the
sweeps do, and says what the bucket and the database still do not agree about. Of the steps every EVERYth is
tried. One line of JSON a step; the walk ends with the step that is never reached.

The environment names the database, the bucket and a person's token.
"""

import hashlib
import json
import os
import secrets
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, Final

import httpx
from PIL import Image
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from common.bucket import BucketFailed, bucket_client, remove_below
from common.database import get_database
from common.database.engine import build_engine
from common.settings import get_settings
from functions.files import jobs, removal
from functions.files.app import app
from functions.files.verification import verify
from tests.functions.files.calls import TEXT
from tests.support.bucket_proxy import StoppableBucket
from tests.support.transports import AsgiTransport

MOST_STEPS: Final = 400
_UPLOADS_OVER: Final = "update uploads set expires_at = now() - interval '1 second', claimed_until = null"
_REMOVE_NOW: Final = (
    "update stored_objects set remove_after = now(), writable_until = null where state <> 'kept'"
)
# A job whose handler was killed is free again when its lease is over.
_JOBS_DUE: Final = """
    update jobs set run_at = now(), state = 'queued', locked_until = null
    where state in ('queued', 'running') and function = 'files'
"""
HEADERS: Final = {"Authorization": f"Bearer {os.environ['WALKER_TOKEN']}"}


class Steps:
    """Counts what is done, and ends or cuts off the walk at one of them."""

    def __init__(self, last: int, bucket: StoppableBucket, *, killed: bool) -> None:
        self.last, self.bucket, self.killed, self.number = last, bucket, killed, 0
        self.reached = False

    def take(self) -> None:
        self.number += 1
        if self.number == self.last:
            self.reached = True
            if self.killed:
                os.kill(os.getpid(), signal.SIGKILL)
            self.bucket.stop()

    def watch(self) -> None:
        """Have each call of the bucket and each commit be two steps."""
        events = bucket_client().meta.events
        events.register("before-send.s3", lambda **_: self.take())
        events.register("after-call.s3", lambda **_: self.take())
        inner = Session.commit

        def commit(session: Session) -> None:
            if self.killed:
                self.take()
            inner(session)
            if self.killed:
                self.take()

        Session.commit = commit  # type: ignore[method-assign,assignment]  # for this process alone


def picture() -> bytes:
    """A PNG with something to remove."""
    written = BytesIO()
    image = Image.new("RGB", (700, 500), "#3a6ea5")
    exif = image.getexif()
    exif[0x010F] = "Lambkin"
    image.save(written, "PNG", exif=exif)
    return written.getvalue()


def send(request: dict[str, Any], content: bytes) -> None:
    """What the client sends by itself, if the bucket is there: no step of ours."""
    with suppress(httpx.TransportError):
        httpx.request(request["method"], request["url"], headers=request["headers"], content=content)


def walk(client: httpx.Client) -> None:
    """From uploads of each kind to their end."""
    content = TEXT + secrets.token_hex(8).encode()
    shot = client.post("/v1/files", files={"file": ("a.png", picture(), "image/png")}).json()
    digest = hashlib.sha256(content).hexdigest()
    single = client.post(
        "/v1/files/uploads", json={"name": "b", "size": len(content), "sha256": digest}
    ).json()
    if "request" in single:
        send(single["request"], content)
        single = client.post(f"/v1/files/uploads/{single['id']}/complete", json={}).json()
    begun = {"name": "c", "size": len(content), "in_parts": True}
    parts = client.post("/v1/files/uploads", json=begun).json()
    path = f"/v1/files/uploads/{parts.get('id')}"
    wanted = client.post(f"{path}/parts", json={"parts": [{"number": 1}]}).json()
    for part in wanted.get("parts", []):
        send(part["request"], content)
    third = client.post(f"{path}/complete", json={}).json()
    while jobs.tasks.run_one():
        pass
    for file in (shot, single, third):
        client.delete(f"/v1/files/{file.get('id')}", params={"permanently": "true"})
    while jobs.tasks.run_one():
        pass
    removal.sweep_objects(get_database("files"))


def recover() -> dict[str, Any]:
    """Let all waiting be over, have jobs and sweeps do what is left, and compare."""
    owner = build_engine(make_url(get_settings().database_url), "walker", pool_size=1)

    def run(*statements: str) -> None:
        with owner.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    run(_UPLOADS_OVER, _REMOVE_NOW, _JOBS_DUE)
    database = get_database("files")
    removal.sweep_uploads(database)
    while jobs.tasks.run_one():
        pass
    run(_REMOVE_NOW)
    removal.sweep_objects(database)
    findings = verify(database, fix=False, progress=lambda _: None)
    with owner.begin() as connection:
        left = connection.scalar(text("select count(*) from stored_objects where state <> 'kept'"))
        unready = connection.scalar(text("select count(*) from file_contents where state <> 'ready'"))
    run("truncate files, file_contents, uploads, storage_usage, stored_objects")
    remove_below("files/")
    return {
        "orphans": findings.orphans,
        "missing": findings.missing,
        "miscounted": [str(each) for each in findings.miscounted],
        "left": left,
        "unready": unready,
    }


def forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What `work` gives in a process of its own; None where that was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except Exception:  # noqa: BLE001 - the test shows it
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    if not said:
        raise SystemExit("a step failed: see above")
    result: dict[str, Any] = json.loads(said)
    return result


def try_step(last: int, bucket: StoppableBucket, *, killed: bool) -> dict[str, Any]:
    """Walk until the step `last`; whether it was reached."""
    steps = Steps(last, bucket, killed=killed)
    steps.watch()
    transport = AsgiTransport()
    with (
        httpx.Client(transport=transport, base_url="http://backend:8000", headers=HEADERS) as client,
        suppress(BucketFailed),
    ):
        walk(client)
    return {"reached": steps.reached, "steps": steps.number}


def main() -> None:
    """Every step that is asked for, until one is not reached."""
    killed = sys.argv[1] == "killed"
    bucket = StoppableBucket(make_url(os.environ["AWS_ENDPOINT_URL"]).port or 80)
    os.environ["AWS_ENDPOINT_URL"] = bucket.url
    # Before the first fork, as each process would do it anew. Nothing is connected yet.
    bucket_client()
    bucket_client(get_settings().s3_public_url)
    app.openapi()
    try:
        for last in range(1, MOST_STEPS, int(sys.argv[2])):
            bucket.start()
            walked = forked(partial(try_step, last, bucket, killed=killed))
            bucket.bury()
            bucket.start()
            recovered = forked(recover) or {}
            print(json.dumps({"step": last, "walked": walked, **recovered}), flush=True)  # noqa: T201 - the test reads it
            if walked is not None and not walked["reached"]:
                return
    finally:
        bucket.bury()


if __name__ == "__main__":
    main()
