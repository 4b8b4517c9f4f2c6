"""What an invocation of a Lambda gave."""

import json
from typing import Any, Final

_BETWEEN: Final = b"\0" * 8


def read_answer(payload: bytes) -> Any:  # noqa: ANN401 - JSON
    """The result as JSON. A function that streams gives a head in JSON, eight zero bytes, and its body.

    Lambda takes the two apart for whoever comes by a function URL, and for nobody else.
    """
    head, streams, body = payload.partition(_BETWEEN)
    told = json.loads(head or b"null")
    return {**told, "body": body.decode(errors="replace")} if streams else told
