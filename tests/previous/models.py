"""What the models of an artifact's layer read and name, as that layer itself says."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_ASK: Final = """
import json, sys
sys.path.insert(0, sys.argv[1])
from common.models import Base
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
print(json.dumps({
    "selects": {
        mapper.class_.__name__: str(select(mapper.class_).compile(dialect=postgresql.dialect()))
        for mapper in Base.registry.mappers
    },
    "columns": {table.name: table.columns.keys() for table in Base.metadata.sorted_tables},
}))
"""


@dataclass(frozen=True)
class Models:
    """`selects` has the statement that loads each model, `columns` what the models know of each table."""

    selects: dict[str, str]
    columns: dict[str, list[str]]

    @classmethod
    def of(cls, layer: Path) -> Self:
        """Those of a layer's `python` folder."""
        command = [sys.executable, "-I", "-S", "-B", "-c", _ASK, str(layer)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return cls(**json.loads(said))
