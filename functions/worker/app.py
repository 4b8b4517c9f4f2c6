"""The worker's probes. Its work is in `jobs.py`."""

from common.app import create_app, lambda_handler
from common.jobs import queue_probe
from common.mail import mail_probe
from common.probes import database_probe

app = create_app(
    "worker",
    summary="Sends mail, and removes what has expired.",
    settings=("DATABASE_URL", "MAIL_FROM"),
    probes=(database_probe("worker"), queue_probe("worker"), mail_probe()),
)
handler = lambda_handler(app)
