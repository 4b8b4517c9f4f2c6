"""One function's code, shipped alone: a version, a look at it, and only then the alias."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.deploy.answers import read_answer
from infra.deploy.stages import Client, DeploymentFailed, Stage
from infra.local import function_url
from infra.local.discovery import functions

ALIAS: Final = "live"
_POLL_SECONDS: Final = 1
_POLLS: Final = 120
_BEFORE: Final = "before: "


type Say = Callable[[str], None]


@dataclass(frozen=True)
class Live:
    """What an alias leads to, what it remembers, and its revision."""

    version: str
    description: str
    revision: str


@dataclass(frozen=True)
class Part:
    """One Lambda of a function: its application, or its jobs."""

    name: str
    lambda_name: str
    jobs: bool


def parts(stage: Stage, name: str) -> list[Part]:
    """The Lambdas of a function. Raises DeploymentFailed where there is no such function."""
    found = [each for each in functions() if each.name == name]
    if not found:
        known = ", ".join(each.name for each in functions())
        raise DeploymentFailed(f"There is no function {name}: there are {known}.")
    there = ((False, found[0].serves_http), (True, found[0].handles_jobs))
    return [Part(name, stage.function_name(name, jobs=jobs), jobs) for jobs, has in there if has]


def ship(stage: Stage, name: str, archive: Path, say: Say) -> None:
    """Publish this code as a version of each part, look at all of them, then move the aliases.

    Where one does not answer, before or after, everything is as it was. Raises DeploymentFailed.
    """
    client, both = stage.client("lambda"), parts(stage, name)
    before = {part: _live(client, part) for part in both}
    after = {part: _publish(client, part, archive, say) for part in both}
    _use(client, before, after, say)


def roll_back(stage: Stage, name: str, to: str | None, say: Say) -> None:
    """Move the aliases back to what they were before, or to `to`: `N`, or `N/M` for application and jobs.

    Raises DeploymentFailed.
    """
    client, both = stage.client("lambda"), parts(stage, name)
    before = {part: _live(client, part) for part in both}
    if to:
        wanted = to.split("/")
        after = {part: wanted[min(number, len(wanted) - 1)] for number, part in enumerate(both)}
    else:
        after = {part: _previous(client, part, before[part]) for part in both}
    _use(client, before, after, say)


def _use(client: Client, before: dict[Part, Live], after: dict[Part, str], say: Say) -> None:
    for part, version in after.items():
        _look(client, part, version, say, f"{part.lambda_name} stays at {before[part].version}")
    try:
        for part, version in after.items():
            _move(client, part, before[part], version, say)
        for part in after:
            _look(client, part, ALIAS, say, "moving it back")
    except BaseException:
        # Also where somebody loses patience.
        _move_back(client, before, say)
        raise


def _move(client: Client, part: Part, live: Live, version: str, say: Say) -> None:
    # The revision is refused where somebody else has moved it meanwhile.
    client.update_alias(
        FunctionName=part.lambda_name,
        Name=ALIAS,
        FunctionVersion=version,
        Description=f"{_BEFORE}{live.version}",
        RevisionId=live.revision,
    )
    say(f"{part.lambda_name}: {ALIAS} is version {version}, was {live.version}")


def _move_back(client: Client, before: dict[Part, Live], say: Say) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    for part, live in before.items():
        try:
            client.update_alias(
                FunctionName=part.lambda_name,
                Name=ALIAS,
                FunctionVersion=live.version,
                Description=live.description,
            )
            say(f"{part.lambda_name}: {ALIAS} is version {live.version} again")
        except (BotoCoreError, ClientError) as error:
            say(f"{part.lambda_name}: {ALIAS} could not be moved back to {live.version}: {error}")


def _live(client: Client, part: Part) -> Live:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.get_alias(FunctionName=part.lambda_name, Name=ALIAS)
    except ClientError as error:
        told = error.response.get("Error", {}).get("Message", "")
        raise DeploymentFailed(
            f"{part.lambda_name} has no alias {ALIAS}: deploy the whole stack first. {told}"
        ) from None
    except BotoCoreError as error:
        raise DeploymentFailed(f"Lambda does not answer: {error}") from None
    return Live(str(found["FunctionVersion"]), found.get("Description", ""), found["RevisionId"])


def _publish(client: Client, part: Part, archive: Path, say: Say) -> str:
    code = client.update_function_code(FunctionName=part.lambda_name, ZipFile=archive.read_bytes())
    waiting = {"Delay": _POLL_SECONDS, "MaxAttempts": _POLLS}
    client.get_waiter("function_updated_v2").wait(FunctionName=part.lambda_name, WaiterConfig=waiting)
    # Refused where somebody else's code has come in between.
    published = client.publish_version(FunctionName=part.lambda_name, CodeSha256=code["CodeSha256"])
    version = str(published["Version"])
    client.get_waiter("published_version_active").wait(
        FunctionName=part.lambda_name, Qualifier=version, WaiterConfig=waiting
    )
    say(f"{part.lambda_name}: version {version}")
    return version


def _previous(client: Client, part: Part, live: Live) -> str:
    """What was live before: the alias remembers; else the version before this one."""
    if live.description.startswith(_BEFORE):
        return live.description.removeprefix(_BEFORE)
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=part.lambda_name)
    names = [str(each["Version"]) for page in pages for each in page["Versions"]]
    # The one called $LATEST has no number.
    earlier = [int(name) for name in names if name.isdigit() and int(name) < int(live.version)]
    if not earlier:
        raise DeploymentFailed(f"{part.lambda_name} has no version before {live.version} to go back to.")
    return str(max(earlier))


def _look(client: Client, part: Part, version: str, say: Say, otherwise: str) -> None:
    """Have a version answer. Raises DeploymentFailed with what it said instead."""
    answer = client.invoke(
        FunctionName=part.lambda_name, Qualifier=version, Payload=json.dumps(_question(part)).encode()
    )
    told = read_answer(answer["Payload"].read())
    if answer.get("FunctionError") or not _is_well(part, told):
        said = _short(told)
        raise DeploymentFailed(f"{part.lambda_name}:{version} is not well; {otherwise}. It said: {said}")
    say(f"{part.lambda_name}: {version} answers")


def _question(part: Part) -> dict[str, Any]:
    if part.jobs:
        return {"Records": []}
    return function_url.to_event("GET", f"/v1/{part.name}/readyz", "", [], b"", "127.0.0.1")


def _is_well(part: Part, told: Any) -> bool:  # noqa: ANN401 - JSON
    if not isinstance(told, dict):
        return False
    return "batchItemFailures" in told if part.jobs else told.get("statusCode") == 200


def _short(told: object) -> str:
    text = json.dumps(told)
    return text if len(text) < 600 else f"{text[:600]}…"
