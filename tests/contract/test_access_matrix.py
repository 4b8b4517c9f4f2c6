"""Every operation, called by everyone: each cell has an answer, by rule from the operation's description.

`access/callers.py` has the callers and the rules, `access/tables.py` what no rule can tell.
"""

from collections.abc import Iterator
from importlib import import_module

import httpx
import pytest

from common.functions import FUNCTIONS
from common.permissions import ADMINISTRATOR, MEMBER
from common.settings import get_settings
from tests.contract.access import tables
from tests.contract.access.callers import COLUMNS, SERVED, Caller, Callers
from tests.contract.access.demands import ADMINISTRATIVE, BY_ID, Operation
from tests.contract.access.requests import Call, fitting
from tests.contract.document import told
from tests.support.ollama import FakeOllama
from tests.support.world import World

STRANGER = "a stranger"
# RFC 6750, section 3: what would help is told in a header that every client understands.
CHALLENGED = {"unauthenticated", "invalid_token", "insufficient_scope", "recent_sign_in_required"}
WITH_ROWS = [operation.id for operation in BY_ID.values() if operation.row]
# What shows a person what is theirs: no permission of an administrator opens it.
OF_ONES_OWN = [
    operation.id
    for operation in BY_ID.values()
    if operation.method == "GET" and not operation.demand.public and operation.demand.scopes <= MEMBER
]

every_operation = pytest.mark.parametrize("operation_id", BY_ID)
every_column = pytest.mark.parametrize("column", COLUMNS)


@pytest.fixture(scope="module", autouse=True)
def models(ollama_server: FakeOllama) -> Iterator[None]:
    """Ollama is there, or nobody would be served by `ai`."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("OLLAMA_URL", ollama_server.url)
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def callers(world: World) -> Callers:
    # Whoever is taken away or deletes themselves is not the last who could administer.
    world.account(roles=[ADMINISTRATOR])
    return Callers(world)


def _is_own(operation: Operation) -> bool:
    return bool(operation.row) and tables.row_of(operation).of == "the caller"


def _stated(operation: Operation, column: str) -> str:
    """The code of the refusal that a cell states, or SERVED."""
    if column == STRANGER and _is_own(operation):
        return tables.row_of(operation).refusal
    if operation.demand.public:
        return SERVED
    rule = COLUMNS[column].rule(operation.demand)
    return tables.EXCEPTIONS.get((operation.id, column), rule)


def _caller(operation: Operation, column: str, callers: Callers) -> Caller | None:
    # Who is refused changes nothing, and neither does who reads; what is for everybody knows no caller.
    refused = _stated(operation, column) != SERVED
    shared = refused or operation.method == "GET" or operation.demand.public
    kind = "a member with it" if column == STRANGER and _is_own(operation) else column
    return COLUMNS[kind].make(callers, operation.demand, shared)


def _row(operation: Operation, callers: Callers, caller: Caller | None) -> str:
    """The name of a new row for the operation, the caller's or somebody's."""
    if not operation.row:
        return ""
    owner = caller.account if caller else callers.somebody
    return str(tables.row_of(operation).make(callers.world, owner))


def _check(operation: Operation, code: str, response: httpx.Response) -> None:
    code = tables.ANSWERS.get(operation.id, SERVED) if code == SERVED else code
    if code == SERVED:
        assert response.status_code in operation.successes, response.text
        return
    assert (response.status_code, told(response)[0]) == (operation.status(code), code), response.text
    assert ("www-authenticate" in response.headers) == (code in CHALLENGED)


@every_column
@every_operation
def test_a_cell_is_answered_as_it_states(
    operation_id: str, column: str, asgi: httpx.Client, callers: Callers
) -> None:
    operation = BY_ID[operation_id]
    caller = _caller(operation, column, callers)
    foreign = column == STRANGER and _is_own(operation)
    row = _row(operation, callers, None if foreign else caller)
    response = fitting(operation, callers.world).send(asgi, caller, row)
    _check(operation, _stated(operation, column), response)


def _bytes(call: Call, response: httpx.Response, row: str) -> tuple[int, list[tuple[str, str]], bytes]:
    request_id = response.headers["x-request-id"]
    headers = [(name, value) for name, value in response.headers.items() if name != "x-request-id"]
    content = response.content.replace(call.path(row).encode(), b"instance")
    return response.status_code, headers, content.replace(request_id.encode(), b"request_id")


@every_column
@pytest.mark.parametrize("operation_id", WITH_ROWS)
def test_a_row_that_is_not_the_callers_is_as_if_it_did_not_exist(
    operation_id: str, column: str, asgi: httpx.Client, callers: Callers
) -> None:
    operation = BY_ID[operation_id]
    code = _stated(operation, column)
    if not _is_own(operation) and code == SERVED:
        return  # a permission opens it
    caller = COLUMNS[column].make(callers, operation.demand, True)
    call = fitting(operation, callers.world)
    row, missing = _row(operation, callers, None), tables.row_of(operation).missing
    theirs, nobodys = call.send(asgi, caller, row), call.send(asgi, caller, missing)
    assert len(row) == len(missing)
    assert _bytes(call, theirs, row) == _bytes(call, nobodys, missing)
    _check(operation, tables.row_of(operation).refusal if code == SERVED else code, theirs)


@pytest.mark.parametrize("operation_id", OF_ONES_OWN)
def test_what_is_ones_own_shows_nothing_of_another_account(
    operation_id: str, asgi: httpx.Client, callers: Callers
) -> None:
    operation = BY_ID[operation_id]
    world, other = callers.world, callers.world.account()
    rows = [row.make(world, other.id) for row in tables.ROWS.values() if row.of == "the caller"]
    caller = callers.person(MEMBER | operation.demand.scopes)
    response = fitting(operation, world).send(asgi, caller, _row(operation, callers, caller))
    _check(operation, SERVED, response)
    assert [each for each in (*rows, other.id, other.email) if str(each) in response.text] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_served_that_is_not_described(function: str) -> None:
    app = import_module(f"functions.{function}.app").app
    hidden = {route.path for route in app.routes if not getattr(route, "include_in_schema", False)}
    assert hidden == {f"/v1/{function}/openapi.json", f"/v1/{function}/metrics"} | tables.HIDDEN[function]


@every_operation
def test_an_operation_for_everybody_is_one_on_purpose(operation_id: str) -> None:
    assert BY_ID[operation_id].demand.public == (operation_id in tables.PUBLIC)


@every_operation
def test_a_path_parameter_names_a_row_that_the_tests_can_make(operation_id: str) -> None:
    assert {BY_ID[operation_id].row, operation_id} & {"", *tables.ROWS}


@every_operation
def test_what_administers_counts_a_lost_role_at_once(operation_id: str) -> None:
    demand = BY_ID[operation_id].demand
    assert demand.sign_in != "any" or not demand.scopes & ADMINISTRATIVE


def test_every_line_of_the_tables_is_of_an_operation() -> None:
    named = {operation_id for operation_id, _ in tables.EXCEPTIONS}
    assert tables.PUBLIC | tables.ANSWERS.keys() | tables.BODIES.keys() | named <= BY_ID.keys()
    assert {column for _, column in tables.EXCEPTIONS} <= COLUMNS.keys()
    assert tables.ROWS.keys() <= {BY_ID[operation_id].row for operation_id in WITH_ROWS} | BY_ID.keys()
