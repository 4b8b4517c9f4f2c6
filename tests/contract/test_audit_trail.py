"""What changes something leaves an entry in the audit log: who, on whom, from where, with what result."""

import re
from typing import Any, Final

import httpx
import pytest

from common.functions import PERSONAL
from tests.contract.document import OPERATIONS
from tests.docs.test_audit import ROWS
from tests.parity import test_parity
from tests.parity.operations.files import WITH_A_BUCKET
from tests.support.jobs import run_jobs
from tests.support.transports import PEER
from tests.support.world import World

# What docs/audit.md says that an entry of each action tells besides.
DETAILS: Final = {action: set(re.findall(r"`(\w+)`", row["details"])) for action, row in ROWS.items()}
WITHOUT: Final = {
    "start_upload": "announces a file; that it is there is an entry",
    "request_parts": "signs addresses for an upload that was announced",
    "abort_upload": "gives up what never was there",
    "change_file": "describes one's own file anew, as often as one likes; its version counts",
    "refresh": "goes on with a session whose opening is an entry",
    "create_chat_completion": "changes nothing: its answer is told, and not kept",
    "create_embeddings": "changes nothing: its answer is told, and not kept",
    "create_conversation": "begins one's own, as often as one likes; that it is there is in the list",
    "change_conversation": "describes one's own anew, as often as one likes; its version counts",
    "create_message": "says something, which is stored itself",
    "regenerate_message": "adds an answer, which is stored itself",
    "stop_message": "ends an answer, whose state says so",
    "preload_model": "changes nothing that is kept: a model is in memory, or not",
    "introspect_token": "changes nothing: it looks at a token",
    "resend_verification": "mails a link; its use is an entry",
}
READS: Final = {"export_audit": "reads what is worth knowing to have been read"}
BY_ID: Final = {operation["operationId"]: name for name, operation in OPERATIONS.items()}
CHANGING: Final = [
    operation for operation in test_parity.OPERATIONS if not BY_ID[operation].startswith("GET ")
] + list(READS)


def _entries(world: World, request_id: str) -> list[Any]:
    return world.rows("select * from audit_log where request_id = :id", id=request_id)


@pytest.fixture
def bucket_where_it_is_asked(operation: str, request: pytest.FixtureRequest) -> None:
    if operation in WITH_A_BUCKET:
        request.getfixturevalue("plain_bucket")


@pytest.mark.usefixtures("bucket_where_it_is_asked")
@pytest.mark.parametrize("operation", CHANGING)
def test_a_change_leaves_an_entry_that_tells_all(operation: str, asgi: httpx.Client, world: World) -> None:
    response = test_parity.OPERATIONS[operation][0](asgi, world)
    assert response.is_success, response.text
    entries = _entries(world, response.headers["x-request-id"])
    if not entries:
        for function in PERSONAL:
            run_jobs(function)
        entries = _entries(world, response.headers["x-request-id"])
    assert bool(entries) != (operation in WITHOUT)
    signed_in = "security" in OPERATIONS[BY_ID[operation]]
    for entry in entries:
        assert entry.client_address == PEER
        assert entry.user_agent.startswith("python-httpx")
        assert entry.outcome == "success"
        assert set(entry.details) <= DETAILS[entry.action]
        assert not signed_in or (entry.actor_id and (entry.session_id or entry.api_key_id))


def test_every_exception_is_an_operation() -> None:
    assert WITHOUT.keys() | READS.keys() <= BY_ID.keys()
