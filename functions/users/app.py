from common.app import create_app, lambda_handler
from common.probes import database_probe
from functions.users.endpoints import router

app = create_app(
    "users",
    summary="Profiles, exports, deletion; administration of accounts and roles.",
    router=router,
    settings=["DATABASE_URL", "SERVER_SECRET"],
    probes=[database_probe("users")],
)
handler = lambda_handler(app)
