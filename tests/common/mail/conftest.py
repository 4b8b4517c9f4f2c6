from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.jobs.aws import SetEnvironment, set_environment
from tests.common.mail.smtp import Mailbox, make_certificate, smtp_server

__all__ = ["set_environment"]


@pytest.fixture
def mailbox(set_environment: SetEnvironment) -> Iterator[Mailbox]:
    """A plain SMTP server, and the settings that lead to it."""
    with smtp_server() as (found, port):
        set_environment(
            MAIL_TRANSPORT="smtp",
            SMTP_URL=f"smtp://127.0.0.1:{port}",
            MAIL_FROM="Lambkin <no-reply@lambkin.example>",
        )
        yield found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "smtp.pem"
    make_certificate(path)
    return path
