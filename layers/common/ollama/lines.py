"""An answer of Ollama's, line by line."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from common.ollama.asking import MOST_BYTES
from common.ollama.faults import failed

if TYPE_CHECKING:
    import httpx


async def read_lines(answer: "httpx.Response") -> AsyncGenerator[bytes]:
    """Those of its content that are not empty, each as it comes. Raises ModelFailed where one has no end."""
    parts: AsyncIterator[bytes] = answer.aiter_bytes()
    rest = b""
    async for part in parts:
        rest += part
        if b"\n" in part:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if line.strip():
                    yield line
        if len(rest) > MOST_BYTES:
            raise failed(f"a line is longer than {MOST_BYTES} bytes")
    if rest.strip():
        raise failed("the answer ended in the middle of a line")
