"""README.md, taken apart."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from infra.commands.docs import README

TEXT: Final = README.read_text(encoding="utf-8")

_FENCED: Final = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `path` is the file that is named right above it."""

    language: str
    text: str
    path: str = ""


def section(heading: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"README.md has no section {heading!r}"
    return found.group(1)


def blocks(text: str) -> list[Block]:
    """The fenced blocks; a diff without a file is another part of the one before it."""
    found: list[Block] = []
    for match in _FENCED.finditer(text):
        path = match["path"] or (found[-1].path if found and match["language"] == "diff" else "")
        found.append(Block(match["language"], match["text"], path))
    return found


def commands_and_answers(text: str) -> list[tuple[str, str]]:
    """Each `sh` block with the `text` block that follows it, or an empty one."""
    followed = pairwise([*blocks(text), Block("", "")])
    return [
        (block.text, after.text if after.language == "text" else "")
        for block, after in followed
        if block.language == "sh"
    ]


def code() -> list[str]:
    """What stands in backticks, and every line of the shell blocks."""
    prose = _FENCED.sub("", TEXT)
    lines = [line for block in blocks(TEXT) if block.language == "sh" for line in block.text.splitlines()]
    return [*re.findall(r"`([^`\n]+)`", prose), *lines]


def applied(diff: str, text: str) -> str:
    """`text` with the change of a diff block, whose lines begin with ` `, `-` or `+`."""
    old = "".join(f"{line[1:]}\n" for line in diff.splitlines() if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in diff.splitlines() if not line.startswith("-"))
    assert text.count(old) == 1, f"this stands there {text.count(old)} times:\n{old}"
    return text.replace(old, new)


def fits(answer: str, expected: str) -> bool:
    """Whether an answer is what the README shows, where `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, answer.replace("\r\n", "\n").strip(), re.DOTALL) is not None
