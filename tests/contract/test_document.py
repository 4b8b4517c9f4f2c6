"""What every operation's description must have, read from the committed document as clients' tools do."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra.contract.documents import FOLDER, RELEASED, differences
from tests.contract.document import (
    DOCUMENT,
    OPENAI_ERROR,
    OPERATIONS,
    PLAIN_FORMATS,
    PROBLEM,
    errors,
    example,
    resolve,
    told_codes,
)

type Json = Any

OPENAI_PATHS = ("/v1/ai/chat/", "/v1/ai/embeddings", "/v1/ai/models")
# Any length will do: it is compared with the ETag and then forgotten.
ONLY_COMPARED = {"If-None-Match"}
WITHOUT_A_DATABASE = ("/livez", "/live", "/oauth-authorization-server")
ELSEWHERE = {"302", "303"}
WITHOUT_CONTENT = {"204", *ELSEWHERE}
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# A noun, hyphenated where it is two words; a parameter; or a name that a standard gives (RFC 8615, JWKS).
SEGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*|\{[a-z0-9]+(_[a-z0-9]+)*\}|\.well-known|jwks\.json")

every_operation = pytest.mark.parametrize("name", OPERATIONS)


def _contents(described: Json) -> list[Json]:
    return list(described.get("content", {}).values())


def _success(operation: Json) -> dict[str, Json]:
    return {
        status: each
        for status, each in operation["responses"].items()
        if status.startswith("2") or status in ELSEWHERE
    }


def _refusals(operation: Json) -> dict[str, Json]:
    return {status: each for status, each in operation["responses"].items() if status.startswith(("4", "5"))}


def test_the_committed_documents_are_those_of_the_functions() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FOLDER.glob("*.json")) if path.name != RELEASED],
    ids=lambda path: path.name,
)
def test_each_document_is_valid_openapi_3_1(path: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_no_two_operations_have_one_id() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(ids) == sorted(set(ids))


@every_operation
def test_an_operation_says_what_it_is(name: str) -> None:
    operation = OPERATIONS[name]
    assert SNAKE_CASE.fullmatch(operation["operationId"])
    assert operation["summary"]
    assert not operation["summary"].endswith("."), "a title, not a sentence"
    assert operation["description"].endswith((".", "`")), "sentences"
    assert operation["description"] != operation["summary"]


@every_operation
def test_an_operation_is_found_under_its_function(name: str) -> None:
    path = name.partition(" ")[2]
    version, function, *rest = path.removeprefix("/").split("/")
    assert version == "v1"
    assert OPERATIONS[name]["tags"] == [function]
    assert all(SEGMENT.fullmatch(segment) for segment in rest), path


def test_every_tag_is_described() -> None:
    used = {tag for operation in OPERATIONS.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]} == used


@every_operation
def test_a_request_body_has_an_example_that_fits(name: str) -> None:
    for content in _contents(OPERATIONS[name].get("requestBody", {})):
        assert errors(example(content), content["schema"]) == []


@every_operation
def test_a_success_is_described_once_with_an_example_that_fits(name: str) -> None:
    successes = _success(OPERATIONS[name])
    # Content comes whole, in part, or from elsewhere; a stream may have nothing more to say.
    assert len(successes) == 1 or successes.keys() in ({"200", "206", "302"}, {"200", "204"})
    for status, answer in successes.items():
        assert bool(answer.get("content")) == (status not in WITHOUT_CONTENT)
        for content in _contents(answer):
            assert errors(example(content), content["schema"]) == []


@every_operation
def test_every_refusal_is_a_problem_with_an_example_a_code(name: str) -> None:
    if name.partition(" ")[2].startswith(OPENAI_PATHS):
        return
    for status, answer in _refusals(OPERATIONS[name]).items():
        assert list(answer["content"]) == [PROBLEM]
        content = answer["content"][PROBLEM]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert content["examples"], f"{status} says nothing of its codes"
        for code, shown in content["examples"].items():
            assert errors(shown["value"], content["schema"]) == []
            assert (str(shown["value"]["status"]), shown["value"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "name", [name for name in OPERATIONS if name.partition(" ")[2].startswith(OPENAI_PATHS)]
)
def test_a_refusal_to_openai_s_clients_is_an_error_of_theirs_with_an_example_a_code(name: str) -> None:
    for status, answer in _refusals(OPERATIONS[name]).items():
        assert list(answer["content"]) == ["application/json"]
        content = answer["content"]["application/json"]
        assert content["schema"] == OPENAI_ERROR
        assert content["examples"], f"{status} says nothing of its codes"
        for code, shown in content["examples"].items():
            assert errors(shown["value"], content["schema"]) == []
            assert shown["value"]["error"]["code"] == code


@every_operation
def test_what_needs_a_token_says_so_and_how_it_refuses(name: str) -> None:
    operation = OPERATIONS[name]
    refusals = _refusals(operation)
    codes = set(told_codes(refusals.get("401", {})))
    if operation.get("security"):
        assert [set(each) for each in operation["security"]][:1] == [{"AccessToken"}]
        assert codes >= {"unauthenticated", "invalid_token"}
    else:
        assert not codes & {"unauthenticated", "invalid_token"}


@every_operation
def test_what_waits_for_the_database_can_say_that_it_is_down(name: str) -> None:
    if not name.endswith(WITHOUT_A_DATABASE):
        assert "503" in OPERATIONS[name]["responses"]


@every_operation
def test_every_parameter_is_bounded_and_explained(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", []):
        assert parameter.get("description"), parameter["name"]
        if parameter["name"] not in ONLY_COMPARED:
            _check_bounds(parameter["schema"], parameter["name"])
        if parameter["in"] in ("query", "path"):
            assert SNAKE_CASE.fullmatch(parameter["name"])
        if parameter["in"] == "header":
            written = {parameter["name"].title(), "Last-Event-ID"}
            assert parameter["name"] in written, "written as the standards write it"


@every_operation
def test_every_member_of_a_request_is_bounded(name: str) -> None:
    for content in _contents(OPERATIONS[name].get("requestBody", {})):
        _check_bounds(content["schema"], "body")


def _check_bounds(schema: Json, where: str) -> None:
    schema = resolve(schema)
    for choice in schema.get("anyOf", ()):
        _check_bounds(choice, where)
    for name, member in schema.get("properties", {}).items():
        assert SNAKE_CASE.fullmatch(name), f"{where}.{name}"
        _check_bounds(member, f"{where}.{name}")
    match schema.get("type"):
        case "string":
            bounded = schema.keys() & {"maxLength", "enum", "const"} or schema.get("format") in PLAIN_FORMATS
            assert bounded, f"{where} has no maxLength"
        case "integer" | "number":
            assert {"minimum", "maximum"} <= schema.keys(), f"{where} has no minimum or no maximum"
        case "array":
            assert "maxItems" in schema, f"{where} has no maxItems"
            _check_bounds(schema["items"], f"{where}[]")


@every_operation
def test_a_list_has_a_limit_and_a_cursor(name: str) -> None:
    operation = OPERATIONS[name]
    for answer in _success(operation).values():
        for content in _contents(answer):
            if "next_cursor" in resolve(content["schema"]).get("properties", {}):
                parameters = {each["name"]: each["schema"] for each in operation.get("parameters", [])}
                assert parameters["limit"]["maximum"] <= 100
                assert "cursor" in parameters


@every_operation
def test_members_of_answers_are_in_snake_case(name: str) -> None:
    for answer in _success(OPERATIONS[name]).values():
        for content in _contents(answer):
            _check_names(content["schema"], ())


def _check_names(schema: Json, inside: tuple[int, ...]) -> None:
    schema = resolve(schema)
    if id(schema) in inside:
        return
    for member, described in schema.get("properties", {}).items():
        assert SNAKE_CASE.fullmatch(member)
        _check_names(described, (*inside, id(schema)))
    if "items" in schema:
        _check_names(schema["items"], (*inside, id(schema)))
