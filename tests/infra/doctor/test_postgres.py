from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import make_url, text

from common.models.revision import HEAD
from infra.doctor import exchange
from infra.doctor.findings import State
from infra.doctor.places import Place, Viewpoint
from infra.doctor.postgres import Facts, Postgres
from infra.doctor.schema import NEEDED, Schema
from infra.local.home import PROJECT
from migrations.connections import connected, owner_engine
from tests.infra.doctor.broken import assert_well, failure, look, look_at, said, saying, silent
from tests.support.fixtures import SettingsChange
from tests.support.waiting import eventually
from tests.support.world import World

EDGE = "function → pgsql"
FACTS = Facts(
    clock=1_000_000.0,
    read_at=1_000_000.0,
    most=100,
    reserved=3,
    in_use=10,
    installed=frozenset({"btree_gin", "pg_trgm", "plpgsql"}),
    available=frozenset({"btree_gin", "pg_trgm", "citext", "vector"}),
    revision=HEAD,
)


@pytest.fixture
def fresh(fresh_database_url: Callable[..., str], world: World) -> Iterator[Callable[..., str]]:
    """As `fresh_database_url`. Nobody but a superuser could drop them while a function's role is in there."""
    made: list[str] = []

    def make(*, migrated: bool = False) -> str:
        made.append(fresh_database_url(migrated=migrated))
        return made[-1]

    def left() -> int:
        names = [make_url(url).database for url in made]
        sql = "select count(*) from pg_stat_activity where datname = any(:names)"
        return int(world.scalar(sql, names=names))

    yield make
    eventually(lambda: left() == 0)


def run(url: str, *statements: str) -> None:
    with connected(owner_engine(make_url(url))) as connection, connection.begin():
        for statement in statements:
            connection.execute(text(statement))


def changed(url: str, **parts: str | int) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type]  # any part


def judged(settings: SettingsChange, facts: Facts, **values: str) -> str:
    """What is not well with a server that told these facts."""
    current = settings(**values)
    postgres = Postgres(None, ["auth"])
    postgres.facts, postgres.lacking = facts, {"auth": []}
    report = look_at(*Schema(postgres, current, ["auth", "auth jobs"]).checks)
    return "\n".join(filter(None, (said(report, State.FAILED), said(report, State.WARNING))))


def test_a_migrated_database_is_well(settings: SettingsChange) -> None:
    report = look(settings(), EDGE)
    assert_well(report)
    found = said(report, State.OK)
    assert "Postgres answers, without TLS." in found
    assert "lambkin_auth, lambkin_users, lambkin_files, lambkin_health, lambkin_worker" in found
    assert f"at revision {HEAD}, as the code wants" in found


def test_a_wrong_password(settings: SettingsChange, database_url: str) -> None:
    current = settings(DATABASE_URL=changed(database_url, password="this is another password"))
    found = failure(look(current, EDGE))
    assert found.startswith("sign-in: Postgres refuses lambkin_auth: the password is wrong")
    assert "`lambkin migrate roles`" in found
    assert "another password" not in found


def test_a_database_that_there_is_not(settings: SettingsChange, database_url: str) -> None:
    found = failure(look(settings(DATABASE_URL=changed(database_url, database="nowhere")), EDGE))
    assert "sign-in: There is no database nowhere. → Create it (`createdb nowhere`)" in found


def test_a_server_that_is_not_postgres(settings: SettingsChange, database_url: str) -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        found = failure(look(settings(DATABASE_URL=changed(database_url, port=server.port)), EDGE))
    assert "answers: Something else answers, not Postgres." in found
    with saying(b"") as server:
        found = failure(look(settings(DATABASE_URL=changed(database_url, port=server.port)), EDGE))
    assert "It closes the connection: not Postgres" in found


def test_a_server_that_hangs(
    settings: SettingsChange, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.2)
    with silent() as server:
        found = failure(look(settings(DATABASE_URL=changed(database_url, port=server.port)), EDGE))
    assert "It takes connections and says nothing within 0.2 s: not Postgres, or one that hangs." in found


def test_tls_that_the_server_does_not_offer(settings: SettingsChange) -> None:
    assert "Postgres offers no TLS, and the functions want it." in failure(
        look(settings(DATABASE_TLS="true"), EDGE)
    )


def test_a_driver_that_is_not_installed(settings: SettingsChange, database_url: str) -> None:
    current = settings(DATABASE_URL=changed(database_url, drivername="postgresql+asyncpg"))
    assert "The driver postgresql+asyncpg is not installed here." in failure(look(current, EDGE))


def test_a_database_without_tables(settings: SettingsChange, fresh: Callable[..., str]) -> None:
    report = look(settings(DATABASE_URL=fresh()), EDGE)
    found = said(report, State.FAILED)
    assert "migrations: The database is not migrated. → Run `lambkin migrate up`." in found
    assert "extensions: The extension pg_trgm is missing. → Let a superuser run" in found


def test_a_database_out_of_step_with_the_code(settings: SettingsChange, fresh: Callable[..., str]) -> None:
    url = fresh(migrated=True)
    run(url, "update alembic_version set version_num = '0001'")
    found = failure(look(settings(DATABASE_URL=url), EDGE))
    assert f"The database is at revision 0001, the code wants {HEAD}. → Run `lambkin migrate up`." in found

    run(url, "update alembic_version set version_num = '9999'")
    report = look(settings(DATABASE_URL=url), EDGE)
    assert report.state is State.WARNING
    assert "The database is ahead of the code: at revision 9999" in said(report, State.WARNING)


def test_what_a_migrated_database_has_lost(settings: SettingsChange, fresh: Callable[..., str]) -> None:
    url = fresh(migrated=True)
    run(url, "drop extension pg_trgm cascade", "revoke update on users from lambkin_auth")
    found = said(look(settings(DATABASE_URL=url), EDGE), State.FAILED)
    assert "The extension pg_trgm is missing." in found
    assert "rights: lambkin_auth lacks update on users. → Run `lambkin migrate roles`." in found


def test_a_database_that_is_full(settings: SettingsChange, fresh: Callable[..., str]) -> None:
    url = fresh(migrated=True)
    run(url, f"alter database {make_url(url).database} connection limit 0")
    assert "sign-in: Postgres has no connection left." in failure(look(settings(DATABASE_URL=url), EDGE))


def test_a_role_that_may_not_connect(settings: SettingsChange, fresh: Callable[..., str]) -> None:
    url = fresh()
    run(url, f"revoke connect on database {make_url(url).database} from public")
    found = failure(look(settings(DATABASE_URL=url), EDGE))
    assert f"lambkin_auth may not connect to {make_url(url).database}." in found


def test_pools_larger_than_the_server(settings: SettingsChange, monkeypatch: pytest.MonkeyPatch) -> None:
    report = look(settings(DATABASE_POOL_SIZE="100"), EDGE)
    assert report.state is State.WARNING
    assert "11 pools of 100 may open 1100 connections; the server has 297 to give." in said(
        report, State.WARNING
    )
    monkeypatch.setenv("WEB_CONCURRENCY", "10")
    found = judged(settings, FACTS, DATABASE_POOL_SIZE="5")
    assert "2 pools of 5 in 10 processes may open 100 connections; the server has 97 to give." in found


def test_a_server_nearly_full(settings: SettingsChange) -> None:
    assert "95 of the 97 connections are in use." in judged(settings, replace(FACTS, in_use=95))


def test_postgres_clock(settings: SettingsChange) -> None:
    assert judged(settings, FACTS) == ""
    assert "clock: Its clock is 20 s behind ours" in judged(settings, replace(FACTS, clock=999_980.0))


def test_an_extension_that_the_server_does_not_offer(settings: SettingsChange) -> None:
    found = judged(settings, replace(FACTS, available=frozenset({"citext"})))
    assert "This server does not offer the extension vector. → Use a Postgres that has it" in found


def test_the_extensions_that_are_needed_are_those_of_the_migrations() -> None:
    sources = (PROJECT / "migrations" / "versions").glob("*.py")
    made = {
        line.split("if not exists ")[1].strip('") ')
        for source in sources
        for line in source.read_text(encoding="utf-8").splitlines()
        if "create extension" in line
    }
    assert made == set(NEEDED)


def test_from_one_functions_place_only_its_role_signs_in(settings: SettingsChange) -> None:
    report = look(settings(), "users → pgsql", Viewpoint(Place.CONTAINER, Place.CONTAINER, "users"))
    assert_well(report)
    assert "It admits lambkin_users to " in said(report, State.OK)
