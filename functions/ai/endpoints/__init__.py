from common.routing import combine
from functions.ai.endpoints import chat, models

router = combine(chat.router, models.router)
