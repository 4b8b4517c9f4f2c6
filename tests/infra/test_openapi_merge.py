import pytest

from infra.local.openapi_merge import Document, OpenAPIConflict, merge


def document(function: str, *, problem: str = "object") -> Document:
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Lambkin {function}", "version": "1", "summary": f"What {function} does."},
        "paths": {f"/v1/{function}/things": {"get": {"tags": [function]}}},
        "components": {"schemas": {"Problem": {"type": problem}, f"{function}Thing": {"type": "string"}}},
    }


def test_the_paths_of_all_functions_are_in_one_document() -> None:
    merged = merge({"users": document("users"), "auth": document("auth")})

    assert list(merged["paths"]) == ["/v1/auth/things", "/v1/users/things"]
    assert merged["openapi"] == "3.1.0"


def test_a_component_that_all_share_appears_once() -> None:
    merged = merge({"users": document("users"), "auth": document("auth")})

    assert merged["components"]["schemas"] == {
        "Problem": {"type": "object"},
        "authThing": {"type": "string"},
        "usersThing": {"type": "string"},
    }


def test_components_that_differ_under_one_name_fail_with_both_functions() -> None:
    with pytest.raises(OpenAPIConflict, match="auth and users disagree on the schemas Problem"):
        merge({"auth": document("auth"), "users": document("users", problem="array")})


def test_each_function_is_a_tag_with_its_summary() -> None:
    merged = merge({"auth": document("auth")})

    assert merged["tags"] == [{"name": "auth", "description": "What auth does."}]
