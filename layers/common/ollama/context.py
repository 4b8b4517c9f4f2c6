"""How much of its context a request takes, roughly: nobody but the model itself knows how it counts."""

import json
from collections.abc import Sequence
from typing import Any, Final

from common.ollama.counts import token_count

type Json = dict[str, Any]

_BYTES_A_TOKEN: Final = 4
"""Of UTF-8: English has 4 to 5 in a token, code and tables 3, Cyrillic and Chinese about 4."""
_TOKENS_A_MESSAGE: Final = 4
_TOKENS_A_PICTURE: Final = 768
"""Models make 256 to some thousands of one."""
_SURELY: Final = 0.7
"""By less than this, an estimate and a count differ for no reason that matters."""


def estimate_tokens(messages: Sequence[Json], tools: Sequence[Json] = ()) -> int:
    """About how many tokens a model makes of messages as `/api/chat` takes them, and of its tools.

    Within a third for most texts. Too few for text whose words no model knows, as random letters or digits
    are; too many for long repetitions.
    """
    return _of_text(messages, tools) + _TOKENS_A_PICTURE * sum(
        len(each.get("images") or ()) for each in messages
    )


def was_truncated(request: Json, line: Json, num_ctx: int) -> bool:
    """Whether the model saw less than it was sent, by the count in the last line of its answer.

    Ollama leaves out the oldest messages, or the beginning of a text, and says nothing. So either the
    context was full to its end, or it might have been, and far fewer tokens were counted than were sent.
    """
    seen = token_count(line, "prompt_eval_count")
    if not seen:
        return False
    if seen >= num_ctx:
        return True
    sent = _of_text(request.get("messages") or (), request.get("tools") or ())
    return sent > num_ctx * _SURELY and seen < sent * _SURELY


def _of_text(messages: Sequence[Json], tools: Sequence[Json]) -> int:
    size, count = len(json.dumps(list(tools), ensure_ascii=False).encode()) if tools else 0, 0
    for message in messages:
        count += 1
        size += len(str(message.get("content") or "").encode())
        if calls := message.get("tool_calls"):
            size += len(json.dumps(calls, ensure_ascii=False).encode())
    return size // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE * count
