from common.app import create_app, lambda_handler
from common.probes import database_probe
from functions.files.direct import MOST_BYTES
from functions.files.endpoints import router

app = create_app(
    "files",
    summary="Uploads, files, and what is known of them.",
    router=router,
    settings=["DATABASE_URL", "SERVER_SECRET", "BUCKET"],
    probes=[database_probe("files")],
    # A simple upload, the other fields of its form, and what separates them.
    max_body_bytes=MOST_BYTES + 65_536,
)
handler = lambda_handler(app)
