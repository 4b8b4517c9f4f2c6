"""A job is done in the name of who asked for it: the audit log tells who and from where, not `a job`."""

from uuid import UUID

from common.context import RequestContext, current_context, enter_context
from common.jobs import JobContext, Tasks
from tests.common.jobs.recording import Jobs
from tests.common.jobs.wake_ups import as_event

ASKED = RequestContext(
    function="users",
    request_id="request-of-ada",
    client_address="198.51.100.4",
    user_agent="Mozilla/5.0 (ü)",
    user_id=UUID(int=1),
    session_id=UUID(int=2),
    api_key_id=UUID(int=3),
)


def _context_of(jobs: Jobs, asked: RequestContext) -> RequestContext:
    """The context in which a job runs that was enqueued in `asked`."""
    seen: list[RequestContext] = []
    tasks = Tasks("worker")

    @tasks.task("look")
    def look(_: JobContext) -> None:
        seen.append(current_context())

    enter_context(asked)
    job_id = jobs.enqueue("look")
    enter_context(RequestContext(function="worker"))
    tasks.handler(as_event(job_id))
    [context] = seen
    return context


def test_a_job_runs_in_the_name_of_who_asked_for_it(jobs: Jobs) -> None:
    context = _context_of(jobs, ASKED)
    assert (context.function, context.method, context.path) == ("worker", "JOB", "look")
    assert context.request_id == ASKED.request_id
    assert (context.client_address, context.user_agent) == (ASKED.client_address, ASKED.user_agent)
    assert (context.user_id, context.session_id) == (ASKED.user_id, ASKED.session_id)
    assert context.api_key_id == ASKED.api_key_id


def test_what_a_job_asks_for_is_asked_in_the_same_name(jobs: Jobs) -> None:
    assert _context_of(jobs, _context_of(jobs, ASKED)).user_id == ASKED.user_id


def test_a_job_of_nobody_runs_in_no_name(jobs: Jobs) -> None:
    context = _context_of(jobs, RequestContext(function="worker", method="SWEEP"))
    assert (context.user_id, context.session_id, context.api_key_id) == (None, None, None)
    assert (context.client_address, context.user_agent) == ("", "")


def test_a_user_agent_that_postgres_cannot_store_is_no_reason_to_fail(jobs: Jobs) -> None:
    assert _context_of(jobs, RequestContext(function="users", user_agent="a\x00b")).user_agent == "ab"
