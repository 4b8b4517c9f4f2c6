import json

import pytest
from sqlalchemy import text

from common.context import RequestContext, enter_context
from common.database import get_database
from tests.support.fixtures import SettingsChange


def test_a_slow_statement_is_logged_with_its_route_and_without_its_values(
    settings: SettingsChange, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(SLOW_STATEMENT_MS="5")
    enter_context(RequestContext(function="users", method="GET", path="/v1/users/me", route="/v1/users/me"))
    statement = text("select pg_sleep(:seconds), :secret")
    get_database("users").transaction(
        lambda session: session.execute(statement, {"seconds": 0.01, "secret": "hunter22"}).all()
    )
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["event"], line["route"], line["function"]) == ("slow_statement", "/v1/users/me", "users")
    assert line["duration_ms"] >= 5
    assert "hunter22" not in json.dumps(line)
