import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from common.settings import get_settings
from tests.parity.operations.calls import Call, Operation
from tests.support.ollama import MODEL, fake_ollama
from tests.support.world import World

BODY: Final[dict[str, Any]] = {"model": MODEL, "messages": [{"role": "user", "content": "say 3 ✓"}]}


@contextmanager
def with_ollama() -> Iterator[None]:
    """Ollama is there, for the length of a call."""
    before = os.environ["OLLAMA_URL"]
    with fake_ollama() as server:
        os.environ["OLLAMA_URL"] = server.url
        get_settings.cache_clear()
        try:
            yield
        finally:
            os.environ["OLLAMA_URL"] = before
            get_settings.cache_clear()


def _with_models(call: Callable[[httpx.Client, dict[str, str]], httpx.Response]) -> Call:
    def run(api: httpx.Client, world: World) -> httpx.Response:
        with with_ollama():
            return call(api, world.person().headers)

    return run


def _without(api: httpx.Client, world: World) -> httpx.Response:
    return api.get("/v1/ai/models", headers=world.person().headers)


_chat = _with_models(lambda api, who: api.post("/v1/ai/chat/completions", json=BODY, headers=who))
_chat_with_nobody = _with_models(
    lambda api, who: api.post("/v1/ai/chat/completions", json=BODY | {"model": "nobody"}, headers=who)
)
_embed = _with_models(
    lambda api, who: api.post(
        "/v1/ai/embeddings", json={"model": "vectors", "input": ["blue ✓", "grey"]}, headers=who
    )
)
_embed_with_another = _with_models(
    lambda api, who: api.post(
        "/v1/ai/embeddings", json={"model": "ada/poet:3b", "input": "blue"}, headers=who
    )
)
_list = _with_models(lambda api, who: api.get("/v1/ai/models", headers=who))
_read = _with_models(lambda api, who: api.get(f"/v1/ai/models/{MODEL}", headers=who))
_read_nothing = _with_models(lambda api, who: api.get("/v1/ai/models/no/such", headers=who))

OPERATIONS: Final[dict[str, Operation]] = {
    "create_chat_completion": (_chat, 200, _chat_with_nobody, 404, "model_not_found"),
    "create_embeddings": (_embed, 200, _embed_with_another, 400, "model_refused"),
    "list_models": (_list, 200, _without, 503, "model_server_unavailable"),
    "read_model": (_read, 200, _read_nothing, 404, "model_not_found"),
}
