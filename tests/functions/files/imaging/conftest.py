"""One child for all tests of a process, and a folder for each job."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from functions.files.imaging.child import Decoder, Limits, Processed, Rejected, Transformed, TransformSpec

# Small enough that a test's mistake does not take the machine with it.
LIMITS = Limits(seconds=10)


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with Decoder() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[], Path]:
    numbers = count()

    def make() -> Path:
        path = tmp_path / str(next(numbers))
        path.mkdir()
        return path

    return make


type Process = Callable[..., Processed]
type Refuse = Callable[..., Rejected]


@pytest.fixture
def process(decoder: Decoder, folder: Callable[[], Path]) -> Process:
    """Process these bytes."""

    def ask(content: bytes, limits: Limits = LIMITS, **options: Any) -> Processed:
        into = folder()
        source = into / "source"
        source.write_bytes(content)
        return decoder.process(source, into, limits, **options)

    return ask


@pytest.fixture
def refuse(process: Process) -> Refuse:
    """Process these bytes, which are rejected."""

    def ask(content: bytes, limits: Limits = LIMITS, **options: Any) -> Rejected:
        with pytest.raises(Rejected) as refused:
            process(content, limits, **options)
        assert refused.value.detail.endswith(".")
        return refused.value

    return ask


type Transform = Callable[..., Transformed]


@pytest.fixture
def transform(decoder: Decoder, folder: Callable[[], Path]) -> Transform:
    """Transform these bytes."""

    def ask(content: bytes, limits: Limits = LIMITS, **spec: Any) -> Transformed:
        into = folder()
        source = into / "source"
        source.write_bytes(content)
        return decoder.transform(source, into, TransformSpec(**spec), limits)

    return ask
