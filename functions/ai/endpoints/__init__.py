from common.routing import combine
from functions.ai.endpoints import (
    administration,
    chat,
    conversations,
    embeddings,
    messages,
    models,
    pulls,
    quotas,
    usage,
)

router = combine(
    *(chat.router, embeddings.router, models.router, conversations.router, messages.router),
    *(usage.router, quotas.router, administration.router, pulls.router),
)
