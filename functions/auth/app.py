from common.app import create_app, lambda_handler
from common.probes import database_probe
from functions.auth.endpoints import router

app = create_app(
    "auth",
    summary="Who you are: registration, sign-in, tokens.",
    router=router,
    settings=["DATABASE_URL", "SERVER_SECRET", "ENCRYPTION_KEYS"],
    probes=[database_probe("auth")],
)
handler = lambda_handler(app)
