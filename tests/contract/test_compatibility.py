"""Which changes break clients, on made-up documents."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from infra.contract.compatibility import Change, compare

type Json = Any
type Edit = Callable[[Json], object]

SHELF: Json = {
    "openapi": "3.1.0",
    "paths": {
        "/v1/shelf/books": {
            "get": {
                "operationId": "list_books",
                "summary": "List books",
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "required": False,
                        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                    },
                    {"name": "X-Shelf", "in": "header", "required": False, "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "headers": {"Link": {"schema": {"type": "string"}}},
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Book"}}
                            }
                        },
                    },
                    "404": {
                        "content": {
                            "application/problem+json": {
                                "schema": {"$ref": "#/components/schemas/Problem"},
                                "examples": {"no_shelf": {"value": {"code": "no_shelf"}}},
                            }
                        }
                    },
                },
                "security": [{"Token": ["shelf:read"]}],
            },
            "post": {
                "operationId": "add_book",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewBook"}}},
                },
                "responses": {
                    "201": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}
                    }
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Book": {
                "type": "object",
                "required": ["title", "state"],
                "properties": {
                    "title": {"type": "string"},
                    "state": {"enum": ["in", "out"], "type": "string"},
                    "pages": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "sequel": {"$ref": "#/components/schemas/Book"},
                },
            },
            "NewBook": {
                "type": "object",
                "additionalProperties": False,
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "minLength": 1, "maxLength": 100, "title": "Title"},
                    "pages": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
                    "kind": {"type": "string", "enum": ["novel", "poems"]},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                },
            },
            "Problem": {
                "type": "object",
                "required": ["code"],
                "properties": {"code": {"type": "string"}},
            },
        }
    },
}


def _edited(edit: Edit) -> Json:
    document = copy.deepcopy(SHELF)
    edit(document)
    return document


def _list(document: Json) -> Json:
    return document["paths"]["/v1/shelf/books"]["get"]


def _add(document: Json) -> Json:
    return document["paths"]["/v1/shelf/books"]["post"]


def _book(document: Json) -> Json:
    return document["components"]["schemas"]["Book"]


def _new_book(document: Json) -> Json:
    return document["components"]["schemas"]["NewBook"]


def _limit(document: Json) -> Json:
    return _list(document)["parameters"][0]


def _open(document: Json) -> None:
    del _new_book(document)["additionalProperties"]


STRING = {"type": "string"}

BREAKING: dict[str, Edit] = {
    "an operation is removed": lambda d: d["paths"]["/v1/shelf/books"].pop("post"),
    "an operation moves": lambda d: d["paths"].update({"/v1/shelf/works": d["paths"].pop("/v1/shelf/books")}),
    "an operation has another id": lambda d: _add(d).update(operationId="create_book"),
    "a parameter is removed": lambda d: _list(d)["parameters"].pop(),
    "a parameter is required": lambda d: _limit(d).update(required=True),
    "a new parameter is required": lambda d: _add(d).update(
        parameters=[{"name": "shelf", "in": "query", "required": True, "schema": STRING}]
    ),
    "a parameter's bound is tighter": lambda d: _limit(d)["schema"].update(maximum=50),
    "a body is needed": lambda d: _list(d).update(
        requestBody={"required": True, "content": {"application/json": {"schema": STRING}}}
    ),
    "a body is not read any more": lambda d: _add(d).pop("requestBody"),
    "a media type is not read any more": lambda d: _add(d)["requestBody"].update(
        content={"application/xml": {"schema": STRING}}
    ),
    "a member of the body is required": lambda d: _new_book(d)["required"].append("kind"),
    "a new member of the body is required": lambda d: (
        _new_book(d)["properties"].update(author=STRING),
        _new_book(d)["required"].append("author"),
    ),
    "a member of the body is unknown": lambda d: _new_book(d)["properties"].pop("kind"),
    "a member of the body has another type": lambda d: _new_book(d)["properties"]["pages"].update(
        anyOf=[{"type": "string"}]
    ),
    "a member of the body must not be null": lambda d: _new_book(d)["properties"]["pages"].update(
        anyOf=[{"type": "integer"}]
    ),
    "a text must be shorter": lambda d: _new_book(d)["properties"]["title"].update(maxLength=50),
    "a text must be longer": lambda d: _new_book(d)["properties"]["title"].update(minLength=2),
    "a text must match": lambda d: _new_book(d)["properties"]["title"].update(pattern="^[A-Z]"),
    "a choice is gone from the body": lambda d: _new_book(d)["properties"]["kind"]["enum"].pop(),
    "the items of the body are narrower": lambda d: _new_book(d)["properties"]["tags"]["items"].update(
        maxLength=10
    ),
    "a success has another status": lambda d: _add(d)["responses"].update(
        {"202": _add(d)["responses"].pop("201")}
    ),
    "an answer has another media type": lambda d: _add(d)["responses"]["201"].update(
        content={"text/plain": {"schema": STRING}}
    ),
    "an answer has lost a header": lambda d: _list(d)["responses"]["200"].pop("headers"),
    "an answer has lost a member": lambda d: (
        _book(d)["properties"].pop("title"),
        _book(d)["required"].remove("title"),
    ),
    "an answer has lost a member that was optional": lambda d: _book(d)["properties"].pop("pages"),
    "a member of an answer may be missing": lambda d: _book(d)["required"].remove("state"),
    "a member of an answer may be null": lambda d: _book(d)["properties"]["title"].update(
        type=["string", "null"]
    ),
    "a member of an answer has another type": lambda d: _book(d)["properties"].update(
        title={"type": "integer"}
    ),
    "a member of an answer has a new value": lambda d: _book(d)["properties"]["state"]["enum"].append("lost"),
    "a problem has lost a member": lambda d: d["components"]["schemas"]["Problem"].update(
        required=[], properties={}
    ),
    "a token is needed": lambda d: _add(d).update(security=[{"Token": []}]),
    "another permission is needed": lambda d: _list(d).update(security=[{"Token": ["shelf:read", "all"]}]),
}

HARMLESS: dict[str, Edit] = {
    "an optional parameter is new": lambda d: _add(d).update(
        parameters=[{"name": "shelf", "in": "query", "required": False, "schema": STRING}]
    ),
    "a parameter's bound is wider": lambda d: _limit(d)["schema"].update(maximum=200),
    "a parameter has another default": lambda d: _limit(d)["schema"].update(default=50),
    "a body is optional": lambda d: _add(d)["requestBody"].update(required=False),
    "another media type is read": lambda d: _add(d)["requestBody"]["content"].update(
        {"application/xml": {"schema": STRING}}
    ),
    "an optional member of the body is new": lambda d: _new_book(d)["properties"].update(author=STRING),
    "a member of the body is optional": lambda d: _new_book(d)["required"].remove("title"),
    "a member of the body takes more types": lambda d: _new_book(d)["properties"]["pages"]["anyOf"].append(
        STRING
    ),
    "unknown members of the body are ignored": _open,
    "a text may be longer": lambda d: _new_book(d)["properties"]["title"].update(maxLength=200),
    "a number may be broken": lambda d: _limit(d)["schema"].update(type="number"),
    "a choice of the body is new": lambda d: _new_book(d)["properties"]["kind"]["enum"].append("plays"),
    "a member of an answer is new": lambda d: _book(d)["properties"].update(author=STRING),
    "a member of an answer is always there": lambda d: _book(d)["required"].append("pages"),
    "a member of an answer is never null": lambda d: _book(d)["properties"].update(pages={"type": "integer"}),
    "a value of an answer is gone": lambda d: _book(d)["properties"]["state"]["enum"].pop(),
    "a header of an answer is new": lambda d: _add(d)["responses"]["201"].update(headers={"ETag": {}}),
    "a refusal is new": lambda d: _add(d)["responses"].update({"409": {}}),
    "a code is new": lambda d: _list(d)["responses"]["404"]["content"]["application/problem+json"][
        "examples"
    ].update(gone={}),
    "no token is needed": lambda d: _list(d).pop("security"),
    "it is deprecated": lambda d: _list(d).update(deprecated=True),
}

WORDS: dict[str, Edit] = {
    "a summary": lambda d: _list(d).update(summary="Lists the books"),
    "a description": lambda d: _book(d).update(description="A book."),
    "the title of a member called title": lambda d: _new_book(d)["properties"]["title"].update(title="Name"),
    "an example": lambda d: _new_book(d)["properties"]["kind"].update(examples=["novel"]),
    "the example of a problem": lambda d: _list(d)["responses"]["404"]["content"]["application/problem+json"][
        "examples"
    ]["no_shelf"].update(value={"code": "no_shelf", "detail": "There is none."}),
    "the case of a header": lambda d: _list(d)["parameters"][1].update(name="x-shelf"),
    "the name of a component": lambda d: (
        d["components"]["schemas"].update(Draft=d["components"]["schemas"].pop("NewBook")),
        _add(d)["requestBody"]["content"].update(
            {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}}
        ),
    ),
}


@pytest.mark.parametrize("edit", BREAKING.values(), ids=BREAKING)
def test_it_breaks_clients_that(edit: Edit) -> None:
    assert any(change.breaking for change in compare(SHELF, _edited(edit)))


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS)
def test_it_is_a_change_that_breaks_nobody_that(edit: Edit) -> None:
    changes = compare(SHELF, _edited(edit))
    assert {change.kind for change in changes} == {"changed"}
    assert [change.breaking for change in changes if change.breaking] == []


@pytest.mark.parametrize("edit", WORDS.values(), ids=WORDS)
def test_it_is_no_change_to_edit(edit: Edit) -> None:
    assert compare(SHELF, _edited(edit)) == []


def test_a_document_is_compatible_with_itself() -> None:
    assert compare(SHELF, copy.deepcopy(SHELF)) == []


def test_after_no_release_every_operation_is_new() -> None:
    assert compare({}, SHELF) == [
        Change("GET /v1/shelf/books", "added"),
        Change("POST /v1/shelf/books", "added"),
    ]


def test_a_break_says_where_it_is() -> None:
    edited = _edited(lambda d: _new_book(d)["properties"]["title"].update(maxLength=50))
    assert compare(SHELF, edited) == [
        Change("POST /v1/shelf/books", "changed", ("body.title: maxLength 100 where 50 was expected",))
    ]


def test_a_keyword_without_a_rule_is_for_a_person_to_judge() -> None:
    edited = _edited(lambda d: _new_book(d)["properties"]["tags"].update(uniqueItems=True))
    assert [change.breaking for change in compare(SHELF, edited)] == [
        ("body.tags: uniqueItems None where True was expected",)
    ]


def test_maps_are_compared_by_their_values() -> None:
    def shelf_of(values: Json) -> Json:
        return _edited(lambda d: _book(d).update(additionalProperties=values))

    assert compare(shelf_of({"type": "integer"}), shelf_of({"type": "string"}))[0].breaking
    assert not compare(
        shelf_of({"type": "string", "maxLength": 9}), shelf_of({"type": "string", "maxLength": 5})
    )[0].breaking


def test_parameters_of_a_path_belong_to_all_its_operations() -> None:
    shared = {"name": "shelf", "in": "query", "required": True, "schema": STRING}
    edited = _edited(lambda d: d["paths"]["/v1/shelf/books"].update(parameters=[shared]))
    assert [bool(change.breaking) for change in compare(SHELF, edited)] == [True, True]
