"""A function of this checkout, called as Lambda would, with the settings of the stack that runs here."""

import asyncio
import json
import os
from typing import Any

from infra.deploy.stages import DeploymentFailed
from infra.local import environment
from infra.local.discovery import functions
from infra.local.home import Home
from infra.local.lambda_transport import Instance, InstanceFailed
from infra.local.state import running_stack


def invoke_here(name: str, event: str, *, jobs: bool) -> tuple[Any, bool]:
    """What a fresh instance answers to one event, and whether it failed. Raises DeploymentFailed."""
    found = [each for each in functions() if each.name == name]
    if not found or not (found[0].handles_jobs if jobs else found[0].serves_http):
        raise DeploymentFailed(f"There is no function {name}{' with jobs' if jobs else ''}.")
    home = Home.find()
    stack = None if "DATABASE_URL" in os.environ else running_stack(home)
    if stack is not None and stack.postgres_port is not None:
        emulator = stack.emulator_url or None
        os.environ.update(environment.of_stack(home, stack.url, stack.postgres_port, emulator_url=emulator))
    module = found[0].jobs_module if jobs else found[0].app_module
    try:
        answer = asyncio.run(_answer(module, f"lambkin-{name}", event))
    except InstanceFailed as error:
        raise DeploymentFailed(str(error)) from None
    return (answer["trace"], True) if "error" in answer else (answer["result"], False)


async def _answer(module: str, function_name: str, event: str) -> dict[str, Any]:
    instance = Instance(module, function_name)
    try:
        await instance.start()
        # An event is one line.
        return await instance.invoke(json.dumps(json.loads(event)))
    finally:
        await instance.close()
