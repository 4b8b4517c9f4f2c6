from common.app import create_app, lambda_handler
from common.ollama import ollama_probe
from common.probes import database_probe
from functions.ai.endpoints import router
from functions.ai.openai_errors import OPENAI_ERRORS

app = create_app(
    "ai",
    summary="Models that run on your own machines, as OpenAI's clients speak to them.",
    router=router,
    # Pictures travel in conversations; Lambda takes no more than 6 MB.
    max_body_bytes=6_000_000,
    settings=["DATABASE_URL", "SERVER_SECRET", "OLLAMA_URL"],
    probes=[database_probe("ai"), ollama_probe()],
    error_format=OPENAI_ERRORS,
)
handler = lambda_handler(app)
