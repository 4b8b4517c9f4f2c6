"""Functions of before go on working on today's schema: migrations expand, and contract a release later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from common.database.engine import build_engine
from infra.build.targets import LAYER
from migrations.connections import explain
from tests.previous.base import functions_of
from tests.previous.conftest import Before
from tests.previous.models import Models

# It asks the others over addresses that nobody has here.
NOT_ALONE = {"health"}


@pytest.fixture(scope="module")
def models(artifacts: dict[str, Path]) -> Models:
    return Models.of(artifacts[LAYER] / "python")


@pytest.fixture(scope="module")
def schema(migrated: Before, database: str) -> Iterator[Engine]:
    """The database, seen by its owner."""
    engine = build_engine(make_url(database), "tests", pool_size=1)
    yield engine
    engine.dispose()


def test_they_are_ready(migrated: Before, artifacts: dict[str, Path]) -> None:
    for name in {*functions_of(artifacts)} - NOT_ALONE:
        answer = migrated.client.get(f"/v1/{name}/readyz")
        probes = {probe["name"]: probe["state"] for probe in answer.json()["probes"]}
        assert probes["database"] == "ok", answer.text


def test_who_signed_in_before_the_migration_goes_on(
    migrated: Before, tokens_of_before: dict[str, str]
) -> None:
    headers = {"Authorization": f"Bearer {tokens_of_before['access_token']}"}
    me = migrated.client.get("/v1/users/me", headers=headers)
    assert (me.status_code, me.json().get("name")) == (200, "Ada"), me.text
    refreshed = migrated.client.post(
        "/v1/auth/refresh", json={"refresh_token": tokens_of_before["refresh_token"]}
    )
    assert refreshed.status_code == 200, refreshed.text


def test_an_account_is_made_changed_and_used_by_a_key(migrated: Before) -> None:
    tokens = migrated.register("after@lambkin.example")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = migrated.client.get("/v1/users/me", headers=headers)
    assert me.status_code == 200, me.text
    changed = migrated.client.patch(
        "/v1/users/me", json={"name": "Grace"}, headers={**headers, "If-Match": me.headers["etag"]}
    )
    assert (changed.status_code, changed.json().get("name")) == (200, "Grace"), changed.text
    sessions = migrated.client.get("/v1/auth/sessions", headers=headers)
    assert len(sessions.json().get("items", [])) == 1, sessions.text
    wanted = {"name": "CI", "scopes": ["profile:read"]}
    made = migrated.client.post("/v1/auth/api-keys", json=wanted, headers=headers)
    assert made.status_code == 201, made.text
    by_key = migrated.client.get("/v1/users/me", headers={"Authorization": f"Bearer {made.json()['key']}"})
    assert (by_key.status_code, by_key.json().get("name")) == (200, "Grace"), by_key.text


def test_their_jobs_run_to_the_end_and_nothing_fails(migrated: Before, artifacts: dict[str, Path]) -> None:
    # Sweeps included, which each begins with.
    for name in functions_of(artifacts):
        if (artifacts[name] / "functions" / name / "jobs.py").exists():
            assert migrated.jobs(name).invoke({"source": "aws.events"}) == {"batchItemFailures": []}
    assert migrated.failures() == []


def test_what_their_models_read_is_there(schema: Engine, models: Models) -> None:
    missed = {}
    with schema.connect() as connection:
        for model, statement in models.selects.items():
            try:
                connection.execute(text(f"explain {statement}"))
            except DBAPIError as error:
                missed[model] = explain(error)
                connection.rollback()
    assert models.selects
    assert missed == {}


def test_what_they_do_not_write_may_be_left_out(schema: Engine, models: Models) -> None:
    required = text("""
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and is_nullable = 'NO' and column_default is null
          and is_identity = 'NO' and is_generated = 'NEVER'
    """)
    with schema.connect() as connection:
        found = connection.execute(required).all()
    new = [
        f"{table}.{column}"
        for table, column in found
        if table in models.columns and column not in models.columns[table]
    ]
    assert found
    assert new == []
