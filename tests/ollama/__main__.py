"""`make test-ollama`: what the tests know of Ollama, held against a real one.

python -m tests.ollama [OPTION OF pytest]...

OLLAMA_URL (http://localhost:11434) is where it answers, OLLAMA_TEST_MODEL and OLLAMA_TEST_EMBEDDING_MODEL are
whom it asks there; what is missing is pulled.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.ollama import differences, real
from tests.support.ollama import MODEL as STAND_IN
from tests.support.ollama import fake_ollama


def main(arguments: Sequence[str]) -> int:
    """0 where all passed or no Ollama answers, 1 where something failed, 2 where a model cannot be had."""
    version = real.answers()
    if not version:
        print(f"No Ollama answers at {real.URL}, so nothing was tested: OLLAMA_URL says where there is one.")
        return 0
    print(f"Ollama {version} at {real.URL}, with {real.MODEL} and {real.EMBEDDING_MODEL}.", flush=True)
    for model in (real.MODEL, real.EMBEDDING_MODEL):
        if not real.has(model):
            print(f"Pulling {model} …", flush=True)
            if wrong := real.pull(model):
                print(f"{model} cannot be pulled: {wrong}", file=sys.stderr)
                return 2
    tell()
    command = [sys.executable, "-m", "pytest", "-n", "0", "tests/ollama", *arguments]
    environment = os.environ | {"LAMBKIN_OLLAMA": real.URL}
    return min(1, subprocess.run(command, env=environment, check=False).returncode)


def tell() -> None:
    """Print what differs, from what is published and from the stand-in."""
    able = real.can(real.MODEL)
    asked = differences.questions(real.MODEL, real.EMBEDDING_MODEL)
    with fake_ollama() as stand_in:
        for question, its in zip(asked, differences.questions(STAND_IN, "vectors"), strict=True):
            if question.needs and question.needs not in able:
                print(f"  {question.title}: {real.MODEL} has no {question.needs}")
                continue
            answer = differences.ask(real.URL, question)
            found = [
                *differences.of_protocol(question, answer),
                *differences.of_stand_in(answer, differences.ask(stand_in.url, its)),
            ]
            print(
                "\n".join(
                    [f"  {question.title}: {each}" for each in found] or [f"  {question.title}: the same"]
                )
            )
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
