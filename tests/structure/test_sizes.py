"""Beyond these sizes, a piece has a name of its own."""

from tests.structure.sources import (
    FOLDERS,
    Source,
    body_lines,
    function_sources,
    lines_without_docstring,
    sources,
)

FILE = 400
FUNCTION = 40
HANDLER = 15
APP = 15


def test_no_file_is_longer_than_400_lines() -> None:
    assert {str(source): len(source.lines) for source in sources(*FOLDERS) if len(source.lines) > FILE} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    long = {
        f"{source}:{node.lineno} {node.name}": length
        for source in sources(*FOLDERS)
        for node in source.definitions()
        if (length := lines_without_docstring(node)) > FUNCTION
    }
    assert long == {}


def test_no_handler_is_longer_than_15_lines() -> None:
    long = {
        f"{source}:{node.lineno} {node.name}": length
        for source in function_sources()
        if source.room == "endpoints"
        for node in source.definitions()
        if (length := body_lines(node)) > HANDLER
    }
    assert long == {}


def test_no_entry_is_longer_than_15_lines_of_code() -> None:
    assert {
        str(source) for source in function_sources() if source.room == "app" and _code(source) > APP
    } == set()


def _code(source: Source) -> int:
    imports = sum(line.startswith(("import ", "from ")) for line in source.lines)
    return lines_without_docstring(source.tree) - imports - sum(not line.strip() for line in source.lines)
