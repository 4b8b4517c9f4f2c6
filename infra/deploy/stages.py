"""A stage: its stack, and the AWS, or the emulator, that it is on."""

import os
import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from infra.local.environment import CREDENTIALS, REGION, endpoint
from infra.local.home import PROJECT

type Client = Any  # boto3's clients have no types

CONFIG: Final = PROJECT / "samconfig.toml"
LOCAL: Final = "local"
DEFAULT_EMULATOR: Final = "http://127.0.0.1:4566"
# What an emulator must not see.
_OF_AWS: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_TIMEOUT_SECONDS: Final = 60.0


class DeploymentFailed(Exception):
    """Nothing, or not all, was deployed; the message says why, and what is there now."""


@dataclass(frozen=True)
class Stage:
    """One environment of samconfig.toml; `local` is whatever answers on AWS_ENDPOINT_URL."""

    name: str
    config: Path = CONFIG

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What samconfig.toml says of `sam deploy`. Raises DeploymentFailed where it says nothing."""
        try:
            found = tomllib.loads(self.config.read_text(encoding="utf-8"))[self.name]["deploy"]["parameters"]
        except (OSError, KeyError, tomllib.TOMLDecodeError):
            raise DeploymentFailed(f"{self.config.name} has no [{self.name}.deploy.parameters].") from None
        parameters: dict[str, Any] = found
        return parameters

    @property
    def stack(self) -> str:
        """The name of the CloudFormation stack."""
        return str(self.parameters["stack_name"])

    @property
    def overrides(self) -> dict[str, str]:
        """The parameters of the template that samconfig.toml sets."""
        given = self.parameters.get("parameter_overrides", [])
        return assignments(shlex.split(given) if isinstance(given, str) else given)

    @property
    def endpoint(self) -> str | None:
        """The emulator, or None for AWS."""
        return endpoint() or (DEFAULT_EMULATOR if self.name == LOCAL else None)

    @property
    def environment(self) -> dict[str, str]:
        """What tools that speak to AWS are given: an emulator never sees credentials of AWS."""
        region = self.parameters.get("region")
        inherited = os.environ | ({"AWS_DEFAULT_REGION": str(region)} if region else {})
        if self.endpoint is None:
            return inherited
        kept = {name: value for name, value in inherited.items() if name not in _OF_AWS}
        there = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        return {"AWS_DEFAULT_REGION": REGION} | kept | CREDENTIALS | there

    def client(self, service: str, *, read_seconds: float = _TIMEOUT_SECONDS, attempts: int = 3) -> Client:
        """A client of an AWS service of this stage."""
        from boto3.session import Session
        from botocore.config import Config

        given = self.environment
        session = Session(
            region_name=given.get("AWS_DEFAULT_REGION"),
            **({"aws_access_key_id": "test", "aws_secret_access_key": "test"} if self.endpoint else {}),
        )
        config = Config(
            read_timeout=read_seconds, retries={"total_max_attempts": attempts, "mode": "standard"}
        )
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def function_name(self, name: str, *, jobs: bool = False) -> str:
        """What Lambda calls a function of this stage, or its jobs."""
        return f"lambkin-{self.name}-{name}{'-jobs' if jobs else ''}"

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack. Raises DeploymentFailed where there is no stack."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            [stack] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            raise DeploymentFailed(f"There is no stack {self.stack}: {_told(error)}") from None
        except BotoCoreError as error:
            where = self.endpoint or "AWS"
            raise DeploymentFailed(f"{where} does not answer: {error}") from None
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def assignments(given: Iterable[str]) -> dict[str, str]:
    """Parameters from `NAME=VALUE`. Raises DeploymentFailed for anything else."""
    pairs = [each.partition("=") for each in given]
    for name, found, _ in pairs:
        if not name or not found:
            raise DeploymentFailed(f"{name or 'An empty word'} is not NAME=VALUE, which a parameter is.")
    return {name: value for name, _, value in pairs}


def _told(error: Any) -> str:  # noqa: ANN401 - botocore has no types
    return str(error.response.get("Error", {}).get("Message", error))
