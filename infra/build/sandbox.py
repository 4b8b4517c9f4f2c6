"""An artifact started as Lambda starts it: an interpreter that sees it, the layer and the runtime alone."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from infra.build import requirements
from infra.build.installing import install
from infra.build.runtime_api import RuntimeApi
from infra.local.home import PROJECT, Home

CHILD: Final = Path(__file__).with_name("sandboxed.py")
_END_SECONDS: Final = 5.0


def runtime_folder() -> Path:
    """The real runtime client and boto3, which Lambda's runtime brings; installed where they are missing.

    Raises BuildFailed.
    """
    entries = requirements.of_runtime()
    mark = hashlib.sha256("\n".join(entries).encode()).hexdigest()[:12]
    folder = Home.find().tools / f"lambda-runtime-{mark}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        install(entries, "--python", sys.executable, "--compile-bytecode", "--target", draft)
        if not folder.exists():  # another build may have made it meanwhile
            shutil.move(draft, folder)
            Path(draft).mkdir()
    return folder


def command(folders: Sequence[Path], *, forbidden: Path | None = PROJECT) -> list[str]:
    """How the child is started over these folders: the artifact, the layer's `python`, the runtime's."""
    isolated = [sys.executable, "-I", "-S", "-B", str(CHILD), str(forbidden or "")]
    return [*isolated, *(str(folder.resolve()) for folder in folders)]


def environment(function: str, handler: str, api: RuntimeApi, given: Mapping[str, str]) -> dict[str, str]:
    """What Lambda sets for a function, and its own variables; nothing of whoever starts it."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": f"lambkin-{function}",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/lambkin-{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "_HANDLER": handler,
        **given,
    }


@contextmanager
def started(
    function: str, handler: str, folders: Sequence[Path], given: Mapping[str, str], log: IO[bytes]
) -> Iterator[RuntimeApi]:
    """A running instance, whose output goes to `log`; ended in the end."""
    with RuntimeApi(function) as api:
        child = subprocess.Popen(
            command(folders),
            cwd=folders[0],
            env=environment(function, handler, api, given),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield api
        finally:
            child.terminate()
            try:
                child.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
