import re
from pathlib import Path

from common.models import Base
from common.models.ownership import FUNCTIONS, OWNERSHIP

ROOT = Path(__file__).parents[2]
ALEMBICS_OWN = "alembic_version"


def test_every_table_has_an_owner_and_every_owned_table_exists() -> None:
    assert set(OWNERSHIP) - {ALEMBICS_OWN} == set(Base.metadata.tables)


def test_every_models_docstring_names_the_owner_of_the_map() -> None:
    for mapper in Base.registry.mappers:
        named = re.findall(r"\bOwner: (\w+)", mapper.class_.__doc__ or "")
        assert named == [OWNERSHIP[str(mapper.local_table)].owner], mapper.class_


def test_the_map_knows_exactly_the_functions_that_there_are() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/__init__.py")}
    assert set(FUNCTIONS) == folders
    assert {ownership.owner for ownership in OWNERSHIP.values()} <= {*FUNCTIONS, "common", "migrations"}


def test_the_map_grants_to_functions_and_sweeps_by_columns_that_there_are() -> None:
    for table, ownership in OWNERSHIP.items():
        granted = ownership.select | ownership.insert | ownership.update | ownership.delete | ownership.sweep
        assert granted <= set(FUNCTIONS), table
        if ownership.sweep:
            assert set(ownership.sweep_columns) <= set(Base.metadata.tables[table].columns.keys()), table
