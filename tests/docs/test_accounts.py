"""What docs/accounts.md says of who is answered what is what the access matrix holds every operation to."""

from infra.local.home import PROJECT
from tests.contract.access.callers import COLUMNS, SERVED
from tests.contract.access.demands import Demand, SignIn

PAGE = (PROJECT / "docs" / "accounts.md").read_text(encoding="utf-8")
MARKS: tuple[SignIn, ...] = ("any", "live", "recent")


def _row(column: str) -> str:
    demands = [Demand(False, frozenset({"users:write"}), mark != "recent", mark) for mark in MARKS]
    codes = [COLUMNS[column].rule(demand) for demand in demands]
    return (
        " | ".join(["| " + column, *("served" if code == SERVED else f"`{code}`" for code in codes)]) + " |"
    )


def test_the_page_has_the_row_of_every_kind_of_caller() -> None:
    begin = PAGE.index("| who calls |")
    table = PAGE[begin : PAGE.index("\n\n", begin)].splitlines()[2:]
    assert table == [_row(column) for column in COLUMNS]
