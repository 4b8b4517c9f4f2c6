"""What each room of a function's folder holds, and what it never holds."""

import ast
from collections.abc import Iterator

import pytest

from infra.local.discovery import functions
from infra.local.home import PROJECT
from tests.structure.sources import Source, function_sources

EVERY_FUNCTION = [
    path.name for path in sorted((PROJECT / "functions").iterdir()) if (path / "__init__.py").exists()
]

# Rooms that speak HTTP; `endpoints` may be a folder.
HTTP_ROOMS = {"app", "endpoints"}
HTTP = ("fastapi", "starlette", "mangum")
HTTP_EXCEPTIONS = {
    "functions/auth/grants.py": "a form is a parameter of FastAPI's",
    "functions/files/direct.py": "a file in a form is FastAPI's",
}
RUNNING_A_STATEMENT = {"execute", "scalar", "scalars", "exec_driver_sql", "add", "add_all", "merge"}
SESSIONS = {"session", "db", "connection"}


def _calls(source: Source) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call of a method: the node, the name of the object where it has one, the method."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = node.func.value
            yield node, target.id if isinstance(target, ast.Name) else "", node.func.attr


def _files(*rooms: str) -> list[Source]:
    return [source for source in function_sources() if source.room in rooms]


@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_a_function_has_an_entry(name: str) -> None:
    assert name in {function.name for function in functions()}


@pytest.mark.parametrize("source", _files("app"), ids=str)
def test_an_http_entry_makes_an_app_and_its_handler_and_nothing_else(source: Source) -> None:
    made = [
        target.id
        for node in source.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert made == ["app", "handler"]
    others = [
        node
        for node in source.tree.body
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert others == []


@pytest.mark.parametrize("source", function_sources(), ids=str)
def test_only_the_entries_and_the_endpoints_know_http(source: Source) -> None:
    used = {module for module, *_ in source.imports() if module.partition(".")[0] in HTTP}
    if source.room not in HTTP_ROOMS and str(source) not in HTTP_EXCEPTIONS:
        assert used == set()


def test_every_exception_is_still_needed() -> None:
    by_path = {str(source): source for source in function_sources()}
    for path in HTTP_EXCEPTIONS:
        assert {module.partition(".")[0] for module, *_ in by_path[path].imports()} & set(HTTP)


@pytest.mark.parametrize("source", function_sources(), ids=str)
def test_only_the_repository_knows_sql(source: Source) -> None:
    if source.room == "repository":
        return
    used = {(module, name) for module, name, _ in source.imports() if module.startswith("sqlalchemy")}
    # What a transaction and a reading hand to the rules, which hand it on.
    assert used <= {("sqlalchemy.orm", "Session"), ("sqlalchemy", "Connection")}
    run = [(target, method) for _, target, method in _calls(source) if target in SESSIONS]
    assert {method for _, method in run} & RUNNING_A_STATEMENT == set()


@pytest.mark.parametrize("source", _files("endpoints", "schemas", "app"), ids=str)
def test_what_faces_clients_knows_no_tables(source: Source) -> None:
    assert {
        module for module, *_ in source.imports() if module.startswith(("common.models", "sqlalchemy"))
    } == set()


# What a room may import of its own function; what is in none of these rooms holds rules.
FORBIDDEN_ROOMS = {
    "app": {"repository", "schemas", "jobs"},
    "jobs": {"app", "endpoints", "schemas", "repository"},
    "endpoints": {"app", "jobs", "repository"},
    "schemas": {"app", "jobs", "endpoints", "repository"},
    "repository": {"app", "jobs", "endpoints", "schemas", "rules"},
    "rules": {"app", "jobs", "endpoints"},
}


@pytest.mark.parametrize("source", function_sources(), ids=str)
def test_a_room_imports_what_is_below_it(source: Source) -> None:
    function = source.path.parts[1]
    room = source.room if source.room in FORBIDDEN_ROOMS else "rules"
    imported = set()
    for module, name, _ in source.imports():
        parts = [*module.split("."), *([name] if name else [])]
        if parts[:2] == ["functions", function] and len(parts) > 2:
            imported.add(parts[2] if parts[2] in FORBIDDEN_ROOMS else "rules")
    assert imported & FORBIDDEN_ROOMS[room] == set()


@pytest.mark.parametrize("source", _files("endpoints"), ids=str)
def test_an_endpoint_does_not_reach_past_its_service(source: Source) -> None:
    names = {f"{module}.{name}" for module, name, _ in source.imports()}
    assert not {name for name in names if ".repository" in name}


@pytest.mark.parametrize("source", function_sources(), ids=str)
def test_no_function_commits(source: Source) -> None:
    assert {method for *_, method in _calls(source)} & {
        "commit",
        "rollback",
        "begin",
        "begin_nested",
    } == set()


@pytest.mark.parametrize("source", [*_files("endpoints"), *_files("schemas")], ids=str)
def test_schemas_are_made_in_their_room(source: Source) -> None:
    bases = {"RequestModel", "ResponseModel", "BaseModel"}
    defined = [
        node.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in bases for base in node.bases)
    ]
    assert source.room == "schemas" or defined == []
