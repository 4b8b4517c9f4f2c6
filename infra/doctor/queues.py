"""Are the queues there? Without them jobs still run, up to a minute later."""

from collections.abc import Iterator, Sequence

from common.settings import Settings
from infra.doctor import aws
from infra.doctor.findings import Check, Finding, failed, ok
from infra.doctor.network import Way

LATER = "Until then jobs start up to a minute late"


class Queues:
    """The checks of SQS; `functions` are those with job handlers."""

    def __init__(self, way: Way, settings: Settings, functions: Sequence[str]) -> None:
        self._way = way
        self._prefix = settings.queue_prefix
        self._functions = functions

    @property
    def checks(self) -> tuple[Check, ...]:
        """The chain."""
        return (*self._way.checks, Check("queues", self.queues))

    def queues(self) -> Iterator[Finding]:
        """Ask for the address of each."""
        names = [self._prefix + function for function in self._functions]
        missing = 0
        for name in names:
            found = _find(name)
            if found is not None:
                missing += 1
                yield found
                if found.ends:
                    return
        if not missing:
            yield ok(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} there.")


def _find(name: str) -> Finding | None:
    try:
        answer = aws.client("sqs").get_queue_url(QueueName=name)
    except aws.failures() as error:
        code = aws.code_of(error)
        if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
            return failed(
                f"There is no queue {name}.",
                f"Make it (`lambkin up` does, and the deployment), or correct QUEUE_PREFIX. {LATER}.",
                ends=False,
            )
        return aws.refusal(error, "SQS")
    if "QueueUrl" not in answer:
        return next(aws.something_else("SQS", "AWS_ENDPOINT_URL"))
    return None
