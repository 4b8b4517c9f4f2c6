"""What an artifact holds, and that it is the same each time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from common.functions import FUNCTIONS
from infra.build import archives
from infra.build.artifacts import Wanted, build, build_into
from infra.build.report import report
from infra.build.targets import LAYER, MIGRATE, names, of_resource, target
from infra.local.home import PROJECT
from tests.deployment.conftest import NATIVE


def quiet(_: str) -> None:
    """Say nothing."""


def found(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in archives.files(folder)}


def top(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", [MIGRATE, *FUNCTIONS])
def test_two_builds_are_the_same_byte_by_byte(artifacts: dict[str, Path], tmp_path: Path, name: str) -> None:
    build_into(target(name), tmp_path / "again", NATIVE, quiet)
    assert archives.digest(tmp_path / "again") == archives.digest(artifacts[name])
    archives.pack(tmp_path / "again", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == artifacts[name].with_suffix(".zip").read_bytes()


def test_the_layer_too_whoever_builds_it_and_from_wherever(
    artifacts: dict[str, Path], tmp_path: Path
) -> None:
    subprocess.run(
        [str(shutil.which("make")), "--makefile", PROJECT / "layers" / "Makefile", "build-CommonLayer"],
        cwd=tmp_path,
        env=os.environ
        | {"ARTIFACTS_DIR": str(tmp_path / "layer"), "LAMBDA_ARCHITECTURE": NATIVE.architecture},
        check=True,
        capture_output=True,
    )
    assert archives.digest(tmp_path / "layer") == archives.digest(artifacts[LAYER])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_holds_its_own_folder_and_nothing_of_its_siblings(
    artifacts: dict[str, Path], name: str
) -> None:
    held = artifacts[name]
    assert top(held / "functions") == {"__init__.py", "__pycache__", name}
    assert top(held) & {"common", "infra", "migrations", "tests", "boto3", "botocore", "fastapi"} == set()


def test_the_layer_holds_what_functions_share_and_not_what_the_runtime_has(layer: Path) -> None:
    assert {"common", "fastapi", "sqlalchemy", "pg8000", "jwt", "mangum"} <= top(layer)
    assert top(layer) & {"functions", "infra", "boto3", "botocore", "alembic", "uvicorn"} == set()


@pytest.mark.parametrize("name", names())
def test_every_source_has_bytecode_that_is_never_checked_against_it(
    artifacts: dict[str, Path], name: str
) -> None:
    sources = [path for path in archives.files(artifacts[name]) if path.suffix == ".py"]
    assert sources
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        # PEP 552: bit 0 for a hash, bit 1 for one that is checked.
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


@pytest.mark.parametrize("name", names())
def test_nothing_is_held_that_no_start_needs(artifacts: dict[str, Path], name: str) -> None:
    held = found(artifacts[name])
    assert [path for path in held if path.endswith((".pyi", "/RECORD", "py.typed", "Makefile"))] == []
    assert [path for path in held if "/tests/" in path or path.startswith("bin/")] == []


@pytest.mark.parametrize("name", names())
def test_libraries_hold_what_is_loaded_and_nothing_for_debuggers(
    artifacts: dict[str, Path], name: str
) -> None:
    libraries = [path for path in archives.files(artifacts[name]) if ".so" in path.suffixes]
    assert name != LAYER or libraries
    # e_shoff of ELF: there is no table of sections, and what they held is after the last segment.
    assert [path for path in libraries if path.read_bytes()[40:48] != bytes(8)] == []


@pytest.mark.parametrize("name", names())
def test_an_archive_names_what_the_folder_holds_in_1980_and_readable_by_all(
    artifacts: dict[str, Path], name: str
) -> None:
    with ZipFile(artifacts[name].with_suffix(".zip")) as packed:
        entries = packed.infolist()
    assert {entry.filename for entry in entries} == found(artifacts[name])
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 & 0o444 for entry in entries} == {0o444}


def test_licences_travel_along_and_versions_can_be_asked_for(layer: Path) -> None:
    metadata = {path.name: path for path in layer.glob("*.dist-info")}
    assert len(metadata) > 20
    assert [
        name for name, path in metadata.items() if "Version: " not in (path / "METADATA").read_text()
    ] == []
    [sqlalchemy] = [path for name, path in metadata.items() if name.startswith("sqlalchemy-")]
    assert list(sqlalchemy.rglob("LICENSE*"))


def test_no_artifact_is_over_its_budget(artifacts: dict[str, Path]) -> None:
    assert [str(line) for line in report(artifacts, NATIVE) if line.is_over] == []


def test_the_other_processor_gets_its_own_libraries(tmp_path: Path) -> None:
    other = Wanted("arm64" if NATIVE.architecture == "x86_64" else "x86_64")
    build_into(target("auth"), tmp_path / "auth", other, quiet)
    machines = {path.read_bytes()[18:20] for path in (tmp_path / "auth").rglob("*.so")}
    # e_machine of ELF: 62 is x86-64, 183 is AArch64.
    assert machines == {b"\xb7\x00" if other.architecture == "arm64" else b"\x3e\x00"}


def test_a_bundled_artifact_holds_the_layer_as_well() -> None:
    folder = build("health", Wanted(NATIVE.architecture, bundle_layer=True), quiet)
    assert {"common", "fastapi", "functions"} <= top(folder)


def test_an_application_and_its_jobs_have_one_artifact() -> None:
    assert of_resource("AuthFunction") == of_resource("AuthJobs") == target("auth")
