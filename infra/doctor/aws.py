"""AWS, or what stands in for it: where it is, and what its refusals mean."""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from common.settings import Settings
from infra.doctor.exchange import NoAnswer, exchange
from infra.doctor.findings import Finding, failed
from infra.doctor.network import Way
from infra.doctor.targets import Target, is_given, parse

CALL_SECONDS: Final = 3.0
_SKEWED: Final = frozenset(
    {"RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"}
)
_BY_NAME: Final = {
    "NoCredentialsError": (
        "There are no AWS credentials.",
        "Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role.",
    ),
    "PartialCredentialsError": (
        "Half of the AWS credentials is missing.",
        "Set both AWS_ACCESS_KEY_ID and its secret.",
    ),
    "NoRegionError": ("No AWS region is set.", "Set AWS_REGION."),
    "ProfileNotFound": (
        "AWS_PROFILE names a profile that is not there.",
        "Correct AWS_PROFILE, or unset it.",
    ),
    "ConnectTimeoutError": ("It does not answer in time.", "Check AWS_ENDPOINT_URL, and the way there."),
    "ReadTimeoutError": (
        f"It takes connections and says nothing within {CALL_SECONDS:g} s.",
        "See its log; does AWS_ENDPOINT_URL name its port?",
    ),
}


def target(settings: Settings, service: str) -> Target:
    """Where the service answers: AWS_ENDPOINT_URL, or AWS itself. Raises Malformed, and botocore's errors."""
    endpoint = settings.aws_endpoint
    if endpoint:
        return parse("AWS_ENDPOINT_URL", endpoint, given=is_given(settings, "AWS_ENDPOINT_URL"))
    from common.aws import aws_client

    url = aws_client(service, timeout_seconds=CALL_SECONDS).meta.endpoint_url
    return parse("AWS_REGION", url)


def emulator(way: Way) -> str:
    """`LocalStack`, `MiniStack`, `moto`, or an empty string where it says nothing of the kind."""
    with suppress(NoAnswer):
        for path, name in (("/_ministack/health", "MiniStack"), ("/_localstack/health", "LocalStack")):
            answer = exchange(way, "GET", path)
            if answer.status == HTTPStatus.OK and "services" in answer.json():
                return name
        if exchange(way, "GET", "/moto-api/data.json").json():
            return "moto"
    return ""


def code_of(error: Exception) -> str:
    """The code of a refusal, or an empty string."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """The status of a refusal, or 0."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def date_of(error: Exception) -> str:
    """The date of a refusal, or an empty string: a HEAD is answered without a code."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))


def refusal(error: Exception, what: str) -> Finding:
    """What AWS or botocore has against us. Their messages may hold addresses and keys: none is shown."""
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_NAME:
            return failed(*_BY_NAME[kind.__name__])
    code, status = code_of(error), status_of(error)
    if code in _SKEWED:
        return failed(
            f"{what} refuses the signature ({code}): another secret, or a clock that is wrong.",
            "Set the clock by NTP (`timedatectl set-ntp true`), and check AWS_SECRET_ACCESS_KEY.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or "AccessDenied" in code:
        return failed(
            f"{what} refuses us ({code or status}).",
            "Check the credentials, and what their role may do; for S3 a missing bucket may look "
            "like this too.",
        )
    return failed(
        f"{what} answers {code or type(error).__name__}.",
        "Is it AWS or its emulator that AWS_ENDPOINT_URL names?",
    )


def failures() -> tuple[type[Exception], ...]:
    """What botocore raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def client(service: str) -> Any:  # noqa: ANN401 - boto3's clients have no types
    """The functions' own client, with short times."""
    from common.aws import aws_client

    return aws_client(service, timeout_seconds=CALL_SECONDS)


def something_else(kind: str, setting: str) -> Iterator[Finding]:
    """For what answers, and is no such service."""
    yield failed(f"Something else answers, not {kind}.", f"Correct {setting}, or stop what holds the port.")
