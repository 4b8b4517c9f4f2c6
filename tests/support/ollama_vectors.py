"""The vectors of the tests' Ollama, and what it counts."""

import json
import math
from typing import Any

type Json = dict[str, Any]


def counted(prompt: str, said: int) -> Json:
    """The counts of a chat; `counting JSON` in its prompt is all of them."""
    counts = {
        "prompt_eval_count": 7, "eval_count": said, "total_duration": 12_345,
        "load_duration": 1_000, "prompt_eval_duration": 2_000, "eval_duration": 9_000,
    }  # fmt: skip
    told = prompt.partition("counting ")[2]
    return dict.fromkeys(counts, json.loads(told)) if told else counts


def embedded(body: Json) -> Json:
    """Three numbers for each text, of length 1 together; alike where texts begin and end alike.

    A text `numbers JSON` is what that says, and `counting JSON` has it counted as that.
    """
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    most = body.get("dimensions", 3)
    plain = [[float(len(text)), float(ord(text[0])), -float(ord(text[-1]))][:most] for text in texts]
    vectors = [[each / math.hypot(*vector) for each in vector] for vector in plain]
    told = [(at, text.partition("numbers ")[2]) for at, text in enumerate(texts) if "numbers " in text]
    for at, numbers in told:
        vectors[at] = json.loads(numbers)
    counts = [json.loads(text.partition("counting ")[2]) for text in texts if "counting " in text]
    return {
        "model": body["model"],
        "embeddings": vectors,
        "total_duration": 14_143,
        "load_duration": 1_019,
        "prompt_eval_count": counts[0] if counts else sum(len(text.split()) for text in texts),
    }
