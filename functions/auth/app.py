from common.app import create_app, lambda_handler
from common.probes import database_probe
from functions.auth.endpoints import router

app = create_app(
    "auth",
    summary="Who you are: registration, sign-in, tokens.",
    router=router,
    settings=["DATABASE_URL", "SERVER_SECRET", "ENCRYPTION_KEYS"],
    probes=[database_probe("auth")],
    # The largest honest body is a password and an address; a large one costs strangers nothing to send.
    max_body_bytes=65_536,
)
handler = lambda_handler(app)
