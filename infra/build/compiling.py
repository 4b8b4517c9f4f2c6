"""The child that compiles a folder: `compiling.py ROOT MOUNTED_AT`.

A process of its own, because marshal writes what was referenced elsewhere differently: which modules the
builder has imported would show in the bytes.

The bytecode is never checked against its source: Lambda's disk is read-only and its zip dates files 1980, so
that anything else would be compiled anew at every cold start (PEP 552).
"""

import py_compile
import sys
from pathlib import Path

OURS = {"common", "functions", "migrations"}


def compile_all(root: Path, mounted_at: str) -> None:
    """Compile every source below `root`; tracebacks will name it below `mounted_at`."""
    for source in sorted(root.rglob("*.py")):
        shown = f"{mounted_at}/{source.relative_to(root).as_posix()}"
        try:
            py_compile.compile(
                str(source),
                dfile=shown,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError as error:
            # Of others it is a template in Python's clothes, which nobody imports.
            if OURS & set(source.relative_to(root).parts):
                sys.exit(str(error))


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]), sys.argv[2])
