import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from common.app import create_app
from common.jobs.outcomes import describe_error
from common.logs import configure_logs, get_logger
from common.routing import Router
from common.schemas import Message
from tests.support.fixtures import SettingsChange
from tests.support.transports import AsgiTransport
from tests.support.world import PASSWORD, World


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_is_one_line_with_its_route_and_id(
    asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    person = world.person()
    capsys.readouterr()
    answer = asgi.get("/v1/users/me", headers=person.headers)
    [line] = lines(capsys)
    assert line["event"] == "request"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/users/me", 200)
    assert line["user_id"] == str(person.id)
    assert line.keys() >= {"duration_ms", "cold_start", "database_ms", "function", "level", "timestamp"}


def test_nothing_secret_is_in_the_log(
    asgi: httpx.Client, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    email = world.address()
    asgi.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
    token = world.mails(email)[0].token
    asgi.post("/v1/auth/verify-email", json={"token": token})
    tokens = asgi.post("/v1/auth/login", json={"email": email, "password": PASSWORD}).json()
    asgi.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    asgi.post("/v1/auth/login", json={"email": email, "password": "wrong password"})
    logged = capsys.readouterr()
    for secret in (email, PASSWORD, token, tokens["access_token"], tokens["refresh_token"], "wrong password"):
        assert secret not in logged.out + logged.err


def test_a_validation_that_fails_shows_no_values(
    settings: SettingsChange, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(LOG_FORMAT="json")
    router = Router(prefix="/v1/users", tags=["users"])

    @router.get("/misfit")
    def misfit() -> Any:
        return Message.model_validate({"message": ["hunter22hunter22"]})

    @router.get("/misfit-answer", response_model=Message)
    def misfit_answer() -> Any:
        return {"message": ["hunter22hunter22"]}

    with httpx.Client(
        transport=AsgiTransport(create_app("users", summary="x", router=router)), base_url="http://b"
    ) as api:
        for path in ("misfit", "misfit-answer"):
            assert api.get(f"/v1/users/{path}").status_code == 500
    logged = capsys.readouterr().out
    assert "ValidationError" in logged
    assert "ResponseValidationError" in logged
    assert "hunter22" not in logged
    with pytest.raises(ValidationError) as raised:
        Message.model_validate({"message": ["hunter22hunter22"]})
    assert describe_error(raised.value, {}) == "ValidationError"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values(
    settings: SettingsChange, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    settings(LOG_FORMAT=log_format)
    router = Router(prefix="/v1/users", tags=["users"])

    @router.get("/breaks")
    def breaks(password: str) -> None:
        raise RuntimeError("a fault")

    with httpx.Client(
        transport=AsgiTransport(create_app("users", summary="x", router=router)), base_url="http://b"
    ) as api:
        api.get(
            "/v1/users/breaks",
            params={"password": "hunter22hunter22"},
            headers={"Authorization": "Bearer s3cret"},
        )
    logged = capsys.readouterr().out
    settings(LOG_FORMAT="json")
    configure_logs()
    assert "RuntimeError" in logged
    assert "hunter22" not in logged
    assert "s3cret" not in logged


def test_secret_fields_are_blanked_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"Authorization": "Bearer x"}
    get_logger("tests").info("signed_in", password="hunter22", request={"headers": headers}, all=[headers])
    [line] = lines(capsys)
    assert line["password"] == "[redacted]"
    assert line["request"] == {"headers": {"Authorization": "[redacted]"}}
    assert line["all"] == [{"Authorization": "[redacted]"}]
