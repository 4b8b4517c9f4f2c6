"""The functions behind uvicorn on loopback, with a database of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer
from starlette.types import Receive, Scope, Send

from common.aws import aws_client
from common.database import dispose_engines
from common.settings import get_settings
from infra.local.lambda_transport import send_response
from infra.local.problems import problem
from tests.support.fixtures import ENVIRONMENT
from tests.support.ollama import fake_ollama
from tests.support.postgres import Server
from tests.support.transports import dispatch, function_module, uvicorn_server


@contextmanager
def served_functions() -> Iterator[str]:
    """Give the address; the environment of this process, and of its children, is then that of the functions.

    Raises PostgresDidNotStart.
    """
    server = Server.start()
    try:
        server.databases.build_template()
        # What fails here is told on the terminal, beside the answer that Schemathesis shows.
        os.environ |= ENVIRONMENT | {"STAGE": "test", "LOG_FORMAT": "console", "LOG_LEVEL": "error"}
        os.environ["DATABASE_URL"] = server.databases.create("fuzz")
        with fake_ollama() as ollama, _bucket(), uvicorn_server(_everything) as url:
            os.environ |= {"INTERNAL_URL": url, "OLLAMA_URL": ollama.url}
            get_settings.cache_clear()
            yield url
            dispose_engines()
    finally:
        server.stop()


@contextmanager
def _bucket() -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    get_settings.cache_clear()
    aws_client("s3", timeout_seconds=10).create_bucket(Bucket=get_settings().bucket)
    yield
    server.stop()


async def _everything(scope: Scope, receive: Receive, send: Send) -> None:
    """All functions, and 404 beside them: made-up path parameters lead everywhere."""
    if function_module(scope["path"]) is None:
        answer = problem(404, "not_found", "No function answers here.", scope["path"])
        await send_response(answer, scope, send)
    else:
        await dispatch(scope, receive, send)
