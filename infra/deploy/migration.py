"""The migrate function of a stage, asked."""

import json
from dataclasses import dataclass

from infra.build.targets import MIGRATE
from infra.deploy.stages import DeploymentFailed, Stage


@dataclass(frozen=True)
class Answer:
    """Where a database is: `pending` are the ids and titles of the revisions to come."""

    revision: str | None
    head: str
    pending: list[tuple[str, str]]


def ask(stage: str, command: str, revision: str | None = None) -> Answer:
    """Have the schema of a stage moved, or looked at. Raises DeploymentFailed with what the function said."""
    from botocore.exceptions import BotoCoreError, ClientError

    wanted = Stage(stage)
    event = {"command": command} | ({"revision": revision} if revision else {})
    try:
        # As long as Lambda lets it run; never twice, as it is under way.
        answer = wanted.client("lambda", read_seconds=930, attempts=1).invoke(
            FunctionName=wanted.function_name(MIGRATE), Payload=json.dumps(event).encode()
        )
    except (BotoCoreError, ClientError) as error:
        raise DeploymentFailed(f"The migrate function of {stage} cannot be reached: {error}") from None
    told = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError") or not isinstance(told, dict):
        said = told.get("errorMessage") if isinstance(told, dict) else told
        raise DeploymentFailed(str(said))
    return Answer(told["revision"], told["head"], [(each["id"], each["title"]) for each in told["pending"]])
