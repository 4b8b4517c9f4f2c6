"""A bucket for a run: in an emulator of its own, as the stack on a laptop has it."""

import asyncio
import os
from collections.abc import Callable

from infra.bench.rig import Rig
from infra.local import emulator, resources
from infra.local.home import Home
from infra.local.ports import free_port

BUCKET = "bench"


def with_bucket(rig: Rig, progress: Callable[[str], None]) -> Rig:
    """The same with a bucket. Raises BenchFailed."""
    home = Home(rig.folder)
    home.tools = Home.find().tools
    found = emulator.locate(home, free_port(), free_port())
    if not emulator.installed(found):
        asyncio.run(emulator.install(found, rig.log("emulator"), progress))
    progress("starting the emulator")
    rig.start("emulator", found.command(), found.environment(os.environ), lambda: emulator.answers(found))
    settings = {
        "AWS_ENDPOINT_URL": found.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        # What it checks signatures against.
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BUCKET": BUCKET,
    }
    resources.client("s3", settings).create_bucket(Bucket=BUCKET)
    return rig.having(**settings)
