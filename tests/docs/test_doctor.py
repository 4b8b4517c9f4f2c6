"""What docs/doctor.md says of `lambkin doctor` is so."""

import re
from typing import Final

from infra.doctor.places import SERVICES
from infra.local.home import PROJECT

TEXT: Final = (PROJECT / "docs" / "doctor.md").read_text(encoding="utf-8")
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|") and not line.startswith("|---")
]


def sources() -> str:
    """The sentences in the code, where a line of the source may have cut them."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "infra/doctor").glob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_every_sentence_that_it_quotes_is_said() -> None:
    said = sources()
    table = [row for row in ROWS if len(row) == 3 and row[0] != "check"]
    assert len(table) > 25
    assert [row[1] for row in table if row[1] not in said] == []


def test_every_check_that_it_names_is_there() -> None:
    said = sources()
    names = {name for row in ROWS if len(row) == 3 and row[0] != "check" for name in row[0].split(", ")}
    assert [name for name in names if f'Check("{name}"' not in said] == []


def test_it_names_every_place_to_look_from() -> None:
    named = {name for row in ROWS if len(row) == 2 for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(SERVICES)
