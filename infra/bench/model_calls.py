"""What is asked of models, straight or through `ai`, as whole HTTP requests."""

import http.client
import json
from typing import Any

from infra.bench.operations import HEAD, PATIENCE
from infra.bench.rig import BenchFailed
from infra.local.ports import LOOPBACK

CHAT, TALK, STRAIGHT = "chat", "conversation", "straight"
NAMES = {CHAT: "POST /ai/chat/completions", TALK: "POST /ai/conversations/{id}/messages"}

_SAID = "Why is the sky blue?"


def chat(model: str, key: str, *, tokens: int, stream: bool = True) -> str:
    """A chat as OpenAI's clients ask for one."""
    said = [{"role": "user", "content": _SAID}]
    return _post(
        "/v1/ai/chat/completions",
        {"model": model, "messages": said, "max_tokens": tokens, "stream": stream},
        key,
    )


def talk(model: str, key: str, conversation_id: str, *, tokens: int) -> str:
    """A message in a conversation, from its beginning: a history that grows would be measured as well."""
    body = {"content": _SAID, "parent_id": None, "model": model, "parameters": {"max_tokens": tokens}}
    return _post(f"/v1/ai/conversations/{conversation_id}/messages", body, key)


def straight(model: str, *, tokens: int) -> str:
    """A chat that is asked of the model's server itself."""
    said = [{"role": "user", "content": _SAID}]
    options = {"num_predict": tokens, "num_ctx": 8192}
    return _post("/api/chat", {"model": model, "messages": said, "options": options, "stream": True}, "")


def begin(port: int, key: str) -> str:
    """A new conversation, which wants no title."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"model": "at-100", "title": "Bench"})
    connection.request("POST", "/v1/ai/conversations", body, headers)
    told = connection.getresponse().read()
    connection.close()
    try:
        return str(json.loads(told)["id"])
    except (ValueError, KeyError):
        raise BenchFailed(f"No conversation was made: {told[:300]!r}") from None


def _post(path: str, body: dict[str, Any], key: str) -> str:
    content = json.dumps(body)
    bearer = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\n{HEAD.replace('application/json', 'text/event-stream')}{bearer}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n{content}"
