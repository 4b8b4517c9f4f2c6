"""The names of models: one name for all the ways in which Ollama takes it.

`Llama3.2`, `llama3.2:latest` and `registry.ollama.ai/library/llama3.2` are one model there. What limits it
must not depend on how it is spelled.
"""

from typing import Final

LONGEST: Final = 200

_REGISTRY: Final = "registry.ollama.ai/"
_LIBRARY: Final = "library/"
_LATEST: Final = "latest"


def canonical(name: str) -> str:
    """The name as `GET /v1/ai/models` lists it, in small letters and with its tag: `llama3.2:latest`."""
    bare = name.casefold().rpartition("://")[2].partition("@")[0]
    bare = bare.removeprefix(_REGISTRY).removeprefix(_LIBRARY)
    # A colon before the last slash is one of a port.
    _, _, last = bare.rpartition("/")
    return bare if ":" in last else f"{bare}:{_LATEST}"
