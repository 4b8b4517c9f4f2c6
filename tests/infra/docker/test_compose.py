"""What docker-compose.yml says, against the specification, the settings and the code."""

import ast
import importlib.util
import json
import re
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

import jsonschema
import pytest

from common.functions import FUNCTIONS
from common.settings import Settings
from infra.docker import healthcheck, serve
from infra.local.discovery import functions
from infra.local.home import PROJECT
from tests.support import compose

COMPOSE: Final = compose.read()
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: each for name, each in SERVICES.items() if "build" in each}
CADDYFILE: Final = (PROJECT / "infra" / "docker" / "Caddyfile").read_text()
SETTINGS: Final = {name.upper() for name in Settings.model_fields}
# boto3's own; and what belongs to Compose, to the gateway or to an image that is not ours.
OF_BOTO3: Final = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
}
OF_THE_NETWORK: Final = {
    "BUCKET_ACCESS_KEY",
    "BUCKET_REGION",
    "BUCKET_SECRET_KEY",
    "CADDY_IMAGE",
    "CLAMAV_IMAGE",
    "FRONTEND_IMAGE",
    "FRONTEND_PORT",
    "GATEWAY_BIND",
    "GATEWAY_BUCKET_BODY_BYTES",
    "GATEWAY_PORT",
    "GATEWAY_TRUSTED_PROXIES",
    "LAMBKIN_IMAGE",
    "LOCALSTACK_AUTH_TOKEN",
    "LOCALSTACK_SCALE",
    "LOCALSTACK_VERSION",
    "MAILPIT_IMAGE",
    "OLLAMA_CPUS",
    "OLLAMA_IMAGE",
    "OLLAMA_MEMORY",
    "POSTGRES_IMAGE",
    "POSTGRES_PASSWORD",
    "VERSITYGW_IMAGE",
}


@cache
def _sources() -> dict[str, str]:
    return {path.name: path.read_text() for path in (compose.MAIN, PROJECT / ".env.example")}


def _host_and_port(url: str) -> tuple[str, int]:
    found = re.fullmatch(r"[a-z0-9+]+://(?:[^@/]*@)?([a-z0-9.-]+):(\d+)(?:/.*)?", url)
    assert found, url
    return found[1], int(found[2])


def _listens(service: str) -> int:
    """The port that a container of the network listens on, as its command or its image has it."""
    known = {"backend": 8000, "frontend": 3000, "pgsql": 5432, "ollama": 11434, "localstack": 4566}
    if service in FUNCTIONS:
        return serve.PORT
    if service == "mailpit":
        return 1025
    if service == "versitygw":
        command = SERVICES[service]["command"]
        return int(command[command.index("--port") + 1].removeprefix(":"))
    return known[service]


@pytest.mark.parametrize("path", [compose.MAIN, compose.DEVELOPMENT], ids=lambda path: path.name)
@pytest.mark.parametrize(
    "given", [{}, {"LOCALSTACK_SCALE": "0", "AWS_ENDPOINT_URL": "http://versitygw:7070"}]
)
def test_it_keeps_to_the_compose_specification(path: Any, given: dict[str, str]) -> None:
    document = compose.read(given, path)
    # Compose turns what a variable gave into the type that the specification wants.
    for service in document["services"].values():
        if "scale" in service:
            service["scale"] = int(service["scale"])
    jsonschema.Draft7Validator(compose.schema()).validate(document)


def test_a_mistake_in_it_is_found() -> None:
    document = compose.read()
    document["services"]["auth"]["depends_on"]["migrate"]["condition"] = "service_ready"
    assert list(jsonschema.Draft7Validator(compose.schema()).iter_errors(document))


def test_every_function_and_every_jobs_module_has_a_container_that_runs_it() -> None:
    for function in functions():
        if function.serves_http:
            assert SERVICES[function.name]["command"] == ["python", "-m", "infra.docker.serve", function.name]
            assert SERVICES[function.name]["healthcheck"]["test"][-1] == function.name
        if function.handles_jobs:
            jobs = SERVICES[f"{function.name}-jobs"]
            assert jobs["command"] == ["python", "-m", "infra.docker.jobs", function.name]
            assert jobs["healthcheck"]["test"][-1] == "--jobs"
    there = {f.name for f in functions()} | {f"{f.name}-jobs" for f in functions() if f.handles_jobs}
    assert set(OURS) - {"migrate", "bucket", "debug"} == there


def test_the_gateway_waits_for_every_function_and_leads_to_each() -> None:
    assert set(SERVICES["backend"]["depends_on"]) == set(FUNCTIONS)
    for name in FUNCTIONS:
        assert f"reverse_proxy {name}:{serve.PORT} {{" in CADDYFILE
        assert f"@{name} path /v1/{name} /v1/{name}/* /.well-known/*/v1/{name}\n" in CADDYFILE


def test_every_module_and_file_that_a_command_names_is_there() -> None:
    for service in OURS.values():
        for command in (service["command"], service.get("healthcheck", {}).get("test", [])):
            if "-m" in command:
                assert importlib.util.find_spec(command[command.index("-m") + 1])
            for word in command:
                if "/" in str(word) and word.endswith(".py"):
                    assert (PROJECT / word).is_file()


@pytest.mark.parametrize("path", [compose.MAIN, compose.DEVELOPMENT], ids=lambda path: path.name)
def test_every_path_that_is_mounted_is_there_and_every_volume_is_named(path: Any) -> None:
    document = compose.read(path=path)
    for service in document["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (PROJECT / source).exists(), mount
                assert mount.endswith(":ro"), mount
            else:
                assert source in document["volumes"]
    used = {m.split(":")[0] for s in SERVICES.values() for m in s.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


def test_every_setting_can_be_given_and_nothing_that_is_none() -> None:
    for name, service in OURS.items():
        if name != "debug":
            assert set(service["environment"]) == SETTINGS | OF_BOTO3
    assert SERVICES["debug"]["environment"] == {}


def test_every_variable_of_the_files_is_a_setting_or_one_of_the_network() -> None:
    assert compose.variables(_sources()["docker-compose.yml"]) - SETTINGS <= OF_THE_NETWORK
    example = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", _sources()[".env.example"], re.MULTILINE))
    assert example - SETTINGS <= OF_THE_NETWORK | {"COMPOSE_PROFILES"}
    # What only the network knows is nowhere else explained.
    assert example >= OF_THE_NETWORK


def test_the_variables_of_the_network_are_all_used() -> None:
    assert compose.variables(_sources()["docker-compose.yml"]) >= OF_THE_NETWORK


def test_what_the_gateway_reads_is_what_it_is_given() -> None:
    read = set(re.findall(r"\{\$([A-Z_]+)", CADDYFILE))
    assert read == {name for name in SERVICES["backend"]["environment"] if not name.startswith("XDG_")}


def test_the_defaults_are_settings_that_start() -> None:
    given = {name: value for name, value in SERVICES["auth"]["environment"].items() if value is not None}
    settings = Settings(**{name.lower(): value for name, value in given.items() if name in SETTINGS})
    assert settings.queues is False
    assert settings.aws_endpoint == "http://localstack:4566"


def test_every_address_leads_to_a_container_and_to_the_port_that_it_listens_on() -> None:
    given = SERVICES["auth"]["environment"]
    for name in ("INTERNAL_URL", "DATABASE_URL", "AWS_ENDPOINT_URL", "SMTP_URL", "OLLAMA_URL"):
        host, port = _host_and_port(given[name])
        assert port == _listens(host), name
        assert "inner" in SERVICES[host]["networks"]
    for target in SERVICES["debug"]["command"][3:]:
        host, _, port = target.partition(":")
        assert int(port) in {_listens(host), 8025}
        assert f"127.0.0.1:{port}:{port}" in SERVICES["debug"]["ports"]


def test_addresses_for_people_lead_to_what_is_published() -> None:
    given = SERVICES["auth"]["environment"]
    assert SERVICES["backend"]["ports"] == ["127.0.0.1:8000:8000"]
    assert given["PUBLIC_URL"] == given["S3_PUBLIC_URL"] == "http://localhost:8000"
    assert SERVICES["frontend"]["ports"] == ["127.0.0.1:3000:3000"]
    assert given["FRONTEND_URL"] == "http://localhost:3000"


def test_the_owner_and_the_database_are_the_design_s() -> None:
    given = SERVICES["pgsql"]["environment"]
    owner = f"{given['POSTGRES_USER']}:{given['POSTGRES_PASSWORD']}@pgsql:5432/{given['POSTGRES_DB']}"
    default = Settings.model_fields["database_url"].default
    assert SERVICES["auth"]["environment"]["DATABASE_URL"] == default == f"postgresql+pg8000://{owner}"


def test_only_the_gateway_is_published_unless_a_profile_asks_for_more() -> None:
    published = {name for name, each in SERVICES.items() if "ports" in each}
    assert published == {"backend", "frontend", "debug"}
    assert [SERVICES[name]["profiles"] for name in ("frontend", "debug")] == [["frontend"], ["debug"]]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["debug"]["ports"])


def test_a_frontend_reaches_the_gateway_and_nothing_behind_it() -> None:
    assert SERVICES["frontend"]["networks"] == ["outer"]
    assert {name for name, each in SERVICES.items() if "outer" in each["networks"]} == {"backend", "frontend"}


def test_functions_believe_the_gateway_alone() -> None:
    address = SERVICES["backend"]["networks"]["inner"]["ipv4_address"]
    (config,) = COMPOSE["networks"]["inner"]["ipam"]["config"]
    assert _believed(SERVICES) == (f"{address}/32",)
    assert ip_address(address) in ip_network(config["subnet"])
    # No other container can be given it, and the host's own address is not in it.
    assert ip_address(address) not in ip_network(config["ip_range"])
    assert address != config["gateway"]
    given = "192.0.2.0/24 2001:db8::7"
    more = compose.read({"GATEWAY_TRUSTED_PROXIES": given})["services"]
    assert _believed(more) == (f"{address}/32", "192.0.2.0/24", "2001:db8::7")
    assert more["backend"]["environment"]["GATEWAY_TRUSTED_PROXIES"] == given


def _believed(services: dict[str, Any]) -> tuple[str, ...]:
    """Whom `auth` believes, as its settings read it."""
    given = services["auth"]["environment"]["TRUSTED_PROXIES"]
    return Settings.model_validate({"trusted_proxies": given}).trusted_proxies


def test_whom_a_container_waits_for_is_there_and_can_say_that_it_is_ready() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            waited_for = SERVICES[other]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in waited_for, (name, other)
            if how["condition"] == "service_completed_successfully":
                assert waited_for["restart"] == "no", (name, other)
            # A profile that is not chosen must not be a reason not to start.
            optional = set(waited_for.get("profiles", [])) - set(service.get("profiles", []))
            assert not (optional and how.get("required", True)), (name, other)


def test_no_function_starts_before_the_database_is_migrated() -> None:
    for name in set(OURS) - {"migrate", "bucket", "debug"}:
        waits = SERVICES[name]["depends_on"]["migrate"]
        assert waits["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["depends_on"]["pgsql"]["condition"] == "service_healthy"


def test_everything_is_limited_and_what_is_ours_can_change_nothing() -> None:
    for name, service in SERVICES.items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
    for service in (*OURS.values(), SERVICES["backend"], SERVICES["mailpit"]):
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["init"] is True


def test_every_long_running_container_has_a_health_check() -> None:
    without = {name for name, each in SERVICES.items() if "healthcheck" not in each}
    assert without == {"migrate", "bucket", "debug", "frontend"}


def test_a_container_is_given_more_time_to_stop_than_its_server_takes() -> None:
    for name in FUNCTIONS:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > serve.LONGEST_SECONDS
    grace = re.search(r"grace_period (\d+)s", CADDYFILE)
    assert grace
    assert int(SERVICES["backend"]["stop_grace_period"].removesuffix("s")) > int(grace[1])


def test_the_gateway_closes_idle_connections_before_the_functions_do() -> None:
    kept = [int(seconds) for seconds in re.findall(r"\bkeepalive (\d+)s", CADDYFILE)]
    assert kept
    assert all(seconds < serve.KEEP_ALIVE_SECONDS for seconds in kept)
    assert healthcheck.PORT == serve.PORT


def test_the_connections_of_all_pools_fit_into_the_server() -> None:
    (most,) = (int(word.split("=")[1]) for word in SERVICES["pgsql"]["command"] if "max_connections" in word)
    pools = sum(name in FUNCTIONS or name.endswith("-jobs") for name in OURS)
    # Each has one more for its probe, and during a restart there may be two of each.
    assert 2 * pools * (Settings.model_fields["database_pool_size"].default + 1) < most


def test_images_are_pinned_by_version() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    dockerfile = (PROJECT / "infra" / "docker" / "Dockerfile").read_text()
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)", dockerfile, re.MULTILINE)
    for image in images:
        assert re.search(r":v?\d+\.\d+\.\d+", image), image
    assert re.search(r"PYTHON_IMAGE=python:3\.13\.", dockerfile)
    assert SERVICES["localstack"]["image"].endswith(":4.14.0")


def test_selfhosting_takes_four_lines_that_the_example_has() -> None:
    example = _sources()[".env.example"]
    block = dict(
        re.findall(r"^# (COMPOSE_PROFILES|LOCALSTACK_SCALE|AWS_ENDPOINT_URL)=(\S+)", example, re.MULTILINE)
    )
    assert block["COMPOSE_PROFILES"] == "selfhost"
    services = compose.read(block)["services"]
    assert services["localstack"]["scale"] == "0"
    host, port = _host_and_port(services["users-jobs"]["environment"]["AWS_ENDPOINT_URL"])
    assert services[host]["profiles"] == ["selfhost"]
    assert port == _listens(host)
    assert services["backend"]["environment"]["AWS_ENDPOINT_URL"] == block["AWS_ENDPOINT_URL"]
    users, server = services["users"]["environment"], services[host]["environment"]
    assert users["AWS_ACCESS_KEY_ID"] == server["ROOT_ACCESS_KEY_ID"]
    assert users["AWS_SECRET_ACCESS_KEY"] == server["ROOT_SECRET_ACCESS_KEY"]


def test_development_runs_the_same_modules_from_the_checkout_and_starts_them_anew() -> None:
    changed = compose.read(path=compose.DEVELOPMENT)["services"]
    assert set(changed) == set(OURS) - {"bucket", "debug"}
    for name, service in changed.items():
        if name != "migrate":
            assert service["command"] == [
                "python", "-m", "infra.docker.reload", *SERVICES[name]["command"][2:]
            ]  # fmt: skip
        assert set(service["environment"]) - SETTINGS == {"PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"}


def test_the_image_holds_what_the_containers_import() -> None:
    dockerfile = (PROJECT / "infra" / "docker" / "Dockerfile").read_text()
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for source in copied.split():
            assert f"!{source}" in ignored
    assert re.search(r"^USER 10001", dockerfile, re.MULTILINE)


def test_what_is_left_out_of_the_image_is_imported_by_nothing_that_is_in_it() -> None:
    left_out = [
        line.replace("/", ".")
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if line.startswith("infra/")
    ]
    inside = [
        path
        for path in (PROJECT / "infra").rglob("*.py")
        if path.relative_to(PROJECT).parts[1] not in {"bench", "ci"}
    ]
    for path in inside:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(tuple(left_out)), path


def test_the_localstack_script_uses_the_bucket_that_the_functions_use() -> None:
    script = (PROJECT / "infra" / "localstack" / "bucket.sh").read_text()
    assert '"$BUCKET"' in script
    given = {"BUCKET": "others"}
    services = compose.read(given)["services"]
    used = {
        compose.environment(services[name], given)["BUCKET"] for name in ("users", "backend", "localstack")
    }
    assert used == {"others"}


def test_json_in_the_environment_is_json() -> None:
    urls = SERVICES["health"]["environment"]["FUNCTION_URLS"]
    assert urls is None or json.loads(urls)
