"""OpenAI's API, as far as it goes here: https://platform.openai.com/docs/api-reference.

What is not here is refused by its name, and not left out silently; what only tells OpenAI how to treat a
request (`user`, `store` and their like) is taken, and not used.
"""

from functions.ai.schemas.answers import (
    AnswerMessage,
    CalledFunction,
    ChatCompletion,
    Choice,
    Model,
    ModelList,
    RequestedCall,
    Usage,
)
from functions.ai.schemas.chat import ChatRequest, ChosenTool, ModelName, Tool
from functions.ai.schemas.embeddings import Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage
from functions.ai.schemas.errors import ErrorDescription, OpenAIError
from functions.ai.schemas.messages import ChatMessage

__all__ = [
    "AnswerMessage",
    "CalledFunction",
    "ChatCompletion",
    "ChatMessage",
    "ChatRequest",
    "Choice",
    "ChosenTool",
    "Embedding",
    "EmbeddingList",
    "EmbeddingRequest",
    "EmbeddingUsage",
    "ErrorDescription",
    "Model",
    "ModelList",
    "ModelName",
    "OpenAIError",
    "RequestedCall",
    "Tool",
    "Usage",
]
