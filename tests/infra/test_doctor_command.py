import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from common.settings import get_settings
from infra.cli import application
from infra.doctor import exchange
from infra.doctor.findings import Check, Edge, Finding, State, failed, ok
from infra.doctor.output import show_edge
from infra.doctor.running import run
from tests.infra.doctor.broken import closed_port, page, silent, web
from tests.support.fixtures import SettingsChange

SECRETS = ("hunter2-of-the-database", "hunter2-of-the-mail", "hunter2-of-ollama", "hunter2-of-the-server")


def doctor(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(application, ["doctor", *arguments])
    # The functions that it asks log in this process.
    lines = [line for line in result.output.splitlines() if not line.startswith('{"logger_name"')]
    return result.exit_code, "\n".join(lines)


@pytest.fixture
def well(
    limits_on: None, settings: SettingsChange, over_http: httpx.Client, moto_url: str
) -> Iterator[SettingsChange]:
    """An environment in which all is well for a browser on this machine."""
    url = str(over_http.base_url)
    no_such_key = (404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>")
    with web(lambda *_: no_such_key) as links:
        settings(
            PUBLIC_URL=url,
            INTERNAL_URL=url,
            AWS_ENDPOINT_URL=moto_url,
            S3_PUBLIC_URL=links.url,
            RATE_LIMITS="true",
            CORS_ORIGINS="http://frontend:3000",
        )
        yield settings


@pytest.mark.usefixtures("well")
def test_all_is_well_from_the_host() -> None:
    code, output = doctor("--from", "host")
    assert (code, output.splitlines()[-1]) == (0, "All is well."), output


@pytest.mark.usefixtures("well")
def test_a_warning_is_1_and_says_what_to_do(well: SettingsChange) -> None:
    well(RATE_LIMITS="false")
    code, output = doctor("--from", "host")
    assert code == 1
    line = "  warning  limits      RATE_LIMITS is off: passwords can be tried without end."
    assert f"{line} -> Leave RATE_LIMITS out." in output.splitlines()
    assert output.splitlines()[-1] == "It works, with 1 warning."


def test_a_failure_is_2_and_the_first_is_named(well: SettingsChange) -> None:
    well(PUBLIC_URL=f"http://localhost:{closed_port()}")
    code, output = doctor("--from", "host")
    assert code == 2
    assert "nothing listens there." in output
    assert output.splitlines()[-1] == "1 check failed. Begin with frontend (browser) → backend."


def test_another_origin_is_asked_for(well: SettingsChange) -> None:
    code, output = doctor("--from", "host", "--origin", "http://localhost:3001/", "--json")
    found = json.loads(output)
    sentences = [check["found"] for edge in found["edges"] for check in edge["checks"]]
    assert (code, found["exit_code"], found["state"]) == (2, 2, "failed")
    assert "Pages of http://localhost:3001 may not call: CORS refuses that origin." in sentences


@pytest.mark.usefixtures("well")
def test_json_has_every_check_with_its_fix() -> None:
    code, output = doctor("--json")
    found = json.loads(output)
    assert (found["exit_code"], found["from"], found["stack"]) == (code, None, None)
    assert [edge["edge"] for edge in found["edges"]] == [
        "settings",
        "frontend → backend",
        "function → pgsql",
        "function → ollama",
        "function → bucket",
        "browser → bucket",
        "function → queue",
        "function → mail",
    ]
    for edge in found["edges"]:
        for check in edge["checks"]:
            assert set(check) == {"check", "state", "found", "fix"}
            assert (check["state"] == "ok") == (check["fix"] == "")


@pytest.mark.parametrize("service", ["host", "frontend", "auth", "health", None])
def test_no_secret_is_ever_shown(
    settings: SettingsChange, monkeypatch: pytest.MonkeyPatch, service: str | None, database_url: str
) -> None:
    monkeypatch.setenv("LAMBKIN_HOME", "/nonexistent")
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.2)
    database, mail, ollama, server = SECRETS
    port = database_url.rpartition(":")[2].partition("/")[0]
    with web(page) as somebody:
        settings(
            DATABASE_URL=f"postgresql://owner:{database}@127.0.0.1:{port}/database",
            SMTP_URL=f"smtp://user:{mail}@127.0.0.1:{somebody.port}",
            MAIL_TRANSPORT="smtp",
            OLLAMA_URL=f"http://user:{ollama}@127.0.0.1:{somebody.port}",
            SERVER_SECRET=server,
        )
        arguments = ["--from", service] if service else []
        outputs = [doctor(*arguments)[1], doctor(*arguments, "--json")[1]]
    for output in outputs:
        assert not [secret for secret in SECRETS if secret in output]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "DATABASE_URL: must look like postgresql+pg8000://"),
        ("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE: Input should be greater than or equal to 1"),
        ("FUNCTION_URLS", "not json", "function_urls"),
        ("OLLAMA_URL", "ollama:11434", "OLLAMA_URL is no address with a known scheme and a port"),
        ("SMTP_URL", "smtp://user:hunter2@:x", "SMTP_URL is no address with a known scheme and a port"),
    ],
)
def test_a_setting_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, settings: SettingsChange, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv("MAIL_TRANSPORT", "smtp")
    monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    _, output = doctor("--json")
    sentences = [check["found"] for edge in json.loads(output)["edges"] for check in edge["checks"]]
    assert [each for each in sentences if sentence in each]
    assert "hunter2" not in output


def test_a_service_that_there_is_not_is_misuse() -> None:
    code, output = doctor("--from", "nobody")
    assert code == 2
    assert "nobody is none of host, frontend, auth" in " ".join(output.replace("│", " ").split())


def test_the_help_tells_the_exit_codes() -> None:
    _, output = doctor("--help")
    assert "Exit code: 0 all is well, 1 there are warnings, 2 something failed." in " ".join(output.split())


@pytest.mark.parametrize("terminal", [True, False])
def test_colour_is_for_terminals(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter of the test
    monkeypatch.delenv("NO_COLOR", raising=False)
    finding = failed("The model [bold] is not pulled.", "Run `ollama pull`.")
    (report,) = run([Edge("function → ollama", "", [Check("models", lambda: iter([finding]))])])
    shown = StringIO()
    console = Console(file=shown, force_terminal=terminal, width=60, highlight=False)
    show_edge(console, report, str)
    assert ("\x1b[" in shown.getvalue()) == terminal
    assert "[bold]" in shown.getvalue()
    assert max(map(len, shown.getvalue().splitlines())) > 60 or terminal


def test_edges_run_at_once_and_each_ends_in_time() -> None:
    together = threading.Barrier(2)
    forever = threading.Event()

    def meet() -> Iterator[Finding]:
        together.wait(5)
        yield ok("met")

    def hang() -> Iterator[Finding]:
        yield ok("began")
        forever.wait(20)

    chain = [Check("meet", meet)]
    reports = list(run([Edge("a", "", chain), Edge("b", "", [*chain, Check("hang", hang)])], seconds=0.3))
    forever.set()
    assert [report.state for report in reports] == [State.OK, State.FAILED]
    assert [each.finding.found for each in reports[1].seen] == ["met", "began", "Not finished within 0.3 s."]


def test_a_check_that_breaks_does_not_take_the_others_with_it() -> None:
    def break_() -> Any:
        raise RuntimeError("postgresql://owner:hunter2@host")

    with silent():
        (broken, whole) = run(
            [
                Edge("a", "", [Check("break", break_)]),
                Edge("b", "", [Check("well", lambda: iter([ok("yes")]))]),
            ]
        )
    assert broken.seen[0].finding.found == "The check itself broke with RuntimeError."
    assert whole.state is State.OK
