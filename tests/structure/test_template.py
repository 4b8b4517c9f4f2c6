"""template.yaml has what every function needs, gives it settings that there are, and no right too many."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from common.settings import Settings, load_settings
from functions.files.imaging.limits import MEBIBYTE, Limits
from functions.files.processing import MOST_BYTES
from infra import bucket_cors
from infra.build.targets import MIGRATE, of_resource
from infra.deploy.sam import UNNAMED
from infra.local.discovery import functions
from infra.local.home import PROJECT

FUNCTIONS = {function.name: function for function in functions()}
# What AWS' own libraries read, and its extension.
NOT_OURS = {"AWS_ENDPOINT_URL", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"}
# What Lambda's Web Adapter reads.
OF_THE_ADAPTER = {
    "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
    "AWS_LWA_INVOKE_MODE": "response_stream",
    "AWS_LWA_PORT": "8080",
    "AWS_LWA_READINESS_CHECK_PATH": "/v1/ai/livez",
}
NO_VALUE = {"Fn": ["Ref", "AWS::NoValue"]}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as `{"Fn": [name, value]}`."""


def _short_form(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the third kind
    return {"Fn": [suffix, value]}


Loader.add_multi_constructor("!", _short_form)
TEMPLATE = yaml.load((PROJECT / "template.yaml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe loader
RESOURCES = TEMPLATE["Resources"]
LAMBDAS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}


def prefix(function: str) -> str:
    return function.title()


def statements(resource: str) -> Iterator[dict[str, Any]]:
    [policy] = RESOURCES[f"{resource}Role"]["Properties"]["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]:
        # A conditional one is `!If [condition, statement, nothing]`.
        yield statement["Fn"][1][1] if "Fn" in statement else statement


def where(condition: str, value: Any, *, on: bool) -> Any:
    """A value as it is where this condition holds, or does not."""
    match value:
        case {"Fn": ["If", [name, yes, no]]} if name == condition:
            return where(condition, yes if on else no, on=on)
        case {"Fn": [name, inner]}:
            return {"Fn": [name, where(condition, inner, on=on)]}
        case dict():
            return {key: where(condition, each, on=on) for key, each in value.items()}
        case list():
            return [where(condition, each, on=on) for each in value]
    return value


def actions(resource: str) -> set[str]:
    found: set[str] = set()
    for statement in statements(resource):
        given = statement["Action"]
        found |= {given} if isinstance(given, str) else set(given)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_its_lambdas_queues_logs_roles_and_alarms(name: str) -> None:
    wanted = []
    if FUNCTIONS[name].serves_http:
        wanted += ["Function"]
    if FUNCTIONS[name].handles_jobs:
        wanted += ["Jobs", "Queue", "DeadLetters", "DeadLettersAlarm", "QueueAgeAlarm"]
    for kind in ("Function", "Jobs"):
        if kind in wanted:
            wanted += [
                f"{kind}{part}" for part in ("Role", "Log", "ErrorsAlarm", "ThrottlesAlarm", "DurationAlarm")
            ]
    assert {f"{prefix(name)}{each}" for each in wanted} - RESOURCES.keys() == set()
    assert f"{prefix(name)}Url" in TEMPLATE["Outputs"]


@pytest.mark.parametrize("resource", LAMBDAS)
def test_each_lambda_is_built_from_its_own_artifact_and_named_after_it(resource: str) -> None:
    properties = LAMBDAS[resource]
    artifact = of_resource(resource).name
    entry = "migrations.handler" if artifact == MIGRATE else f"functions.{artifact}."
    assert where("StreamsAi", properties["Handler"], on=False).startswith(entry)
    suffix = "-jobs" if resource.endswith("Jobs") else ""
    assert properties["FunctionName"] == {"Fn": ["Sub", f"lambkin-${{Stage}}-{artifact}{suffix}"]}
    assert RESOURCES[resource]["Metadata"] == {"BuildMethod": "makefile"}
    assert properties["Role"] == {
        "Fn": ["GetAtt", f"{resource.removesuffix('Function') if artifact == MIGRATE else resource}Role.Arn"]
    }


@pytest.mark.parametrize("resource", [name for name in LAMBDAS if name != "MigrateFunction"])
def test_no_function_changes_before_the_migration_and_each_has_the_alias(resource: str) -> None:
    assert RESOURCES[resource]["DependsOn"] == "Migration"
    assert LAMBDAS[resource]["AutoPublishAlias"] == "live"
    assert LAMBDAS[resource]["AutoPublishCodeSha256"] == {"Fn": ["Ref", "ReleaseHash"]}


def variables() -> Iterator[tuple[str, str, Any]]:
    for name, value in TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].items():
        yield "Globals", name, value
    for resource, properties in LAMBDAS.items():
        for name, value in properties.get("Environment", {}).get("Variables", {}).items():
            yield resource, name, value


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Settings.model_fields} | NOT_OURS | OF_THE_ADAPTER.keys()
    assert {name for _, name, _ in variables()} - known == set()


def test_secrets_are_references_to_the_functions_own() -> None:
    kept = {"DATABASE_URL", "SERVER_SECRET", "ENCRYPTION_KEYS"}
    given = [(resource, name, value["Fn"][1]) for resource, name, value in variables() if name in kept]
    assert {name for _, name, _ in given} == kept
    for resource, name, value in given:
        assert value == f"secret:lambkin/${{Stage}}/{of_resource(resource).name}#{name}"


@pytest.mark.parametrize("resource", LAMBDAS)
def test_a_lambda_starts_in_production_with_the_variables_that_it_is_given(
    resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {name for where, name, _ in variables() if where in ("Globals", resource)}
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    prod = config["prod"]["deploy"]["parameters"]["parameter_overrides"]
    parameters = dict(each.split("=", 1) for each in prod)
    values = {
        "STAGE": "prod",
        "PUBLIC_URL": parameters["PublicUrl"],
        "FRONTEND_URL": parameters["FrontendUrl"],
    }
    for name in given & {"DATABASE_URL", "SERVER_SECRET", "ENCRYPTION_KEYS"}:
        values[name] = f"secret:lambkin/prod/x#{name}"
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert load_settings().refers


@pytest.mark.parametrize("resource", LAMBDAS)
def test_a_role_reads_its_own_secret_and_writes_its_own_log(resource: str) -> None:
    of = resource.removesuffix("Function") if resource == "MigrateFunction" else resource
    secrets = [
        statement["Resource"]["Fn"][1].rpartition(":")[2]
        for statement in statements(of)
        if statement["Action"] == "secretsmanager:GetSecretValue" and statement["Sid"] != "OriginSecret"
    ]
    assert secrets == [f"lambkin/${{Stage}}/{of_resource(resource).name}-*"]
    [log] = [statement for statement in statements(of) if statement["Sid"] == "OwnLog"]
    assert log["Resource"] == {"Fn": ["GetAtt", f"{of}Log.Arn"]}


def test_no_role_may_do_everything_with_anything() -> None:
    assert {
        action
        for name in LAMBDAS
        for action in actions(name.replace("MigrateFunction", "Migrate"))
        if "*" in action
    } == set()
    # What SES lists has no resource to name.
    everywhere = {
        action
        for name in LAMBDAS
        for statement in statements(name.replace("MigrateFunction", "Migrate"))
        if statement["Resource"] == "*"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert everywhere == {"ses:ListEmailIdentities"}


def test_the_bucket_is_for_files_and_exports_and_nobody_may_do_more_than_it_does() -> None:
    rights = {
        name: {action for action in actions(name) if action.startswith("s3:")}
        for name in LAMBDAS
        if name != "MigrateFunction"
    }
    assert {name: found for name, found in rights.items() if found} == {
        "UsersFunction": {"s3:GetObject"},
        "UsersJobs": {"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"},
        # Clients put and get with its rights. What goes, and what is given up, is the jobs'.
        "FilesFunction": {
            "s3:GetObject",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            "s3:ListBucket",
        },
        "FilesJobs": {
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListBucketMultipartUploads",
        },
        "HealthFunction": {"s3:ListBucket"},
    }


def test_objects_are_touched_below_the_function_s_own_prefix() -> None:
    below = {"Users": "exports", "Files": "files"}
    of_buckets = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}
    for name in ("UsersFunction", "UsersJobs", "FilesFunction", "FilesJobs"):
        for statement in statements(name):
            given = {statement["Action"]} if isinstance(statement["Action"], str) else {*statement["Action"]}
            if any(action.startswith("s3:") for action in given - of_buckets):
                place = below[name.removesuffix("Function").removesuffix("Jobs")]
                assert statement["Resource"] == {"Fn": ["Sub", f"${{Bucket.Arn}}/{place}/*"]}
            if "s3:ListBucket" in given:
                [condition] = statement["Condition"].values()
                assert condition["s3:prefix"].endswith("s/*")


def test_pages_may_reach_the_bucket_of_aws_as_they_may_reach_any_other() -> None:
    rules = RESOURCES["Bucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    same = bucket_cors.configuration(())["CORSRules"]
    assert rules == [
        {
            "AllowedOrigins": rule["AllowedOrigins"] or {"Fn": ["Ref", "CorsOrigins"]},
            "AllowedMethods": rule["AllowedMethods"],
            "AllowedHeaders": rule["AllowedHeaders"],
            "ExposedHeaders": rule["ExposeHeaders"],
            "MaxAge": rule["MaxAgeSeconds"],
        }
        for rule in same
    ]


def test_the_bucket_gives_up_no_upload_that_may_still_be_completed() -> None:
    rules = {
        rule["Id"]: rule for rule in RESOURCES["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    }
    days = rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
    [longest] = [each.le for each in Settings.model_fields["upload_hours"].metadata if hasattr(each, "le")]
    assert days * 24 > longest


def test_a_decoder_has_the_memory_and_the_room_that_a_picture_may_take() -> None:
    sizes = TEMPLATE["Mappings"]["Sizes"]
    for name in ("FilesFunction", "FilesJobs"):
        # What its parent takes itself is below 256 MB.
        assert sizes[name]["Memory"] >= Limits().memory_mb + 256
    # The source, the same without its metadata, and what is made of it.
    needed = 2 * MOST_BYTES / MEBIBYTE + Limits().output_bytes / MEBIBYTE
    assert LAMBDAS["FilesJobs"]["EphemeralStorage"]["Size"] >= needed


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if FUNCTIONS[name].handles_jobs])
def test_a_queue_waits_six_times_as_long_as_its_handler_may_run_and_takes_partial_failures(name: str) -> None:
    timeout = TEMPLATE["Mappings"]["Sizes"][f"{prefix(name)}Jobs"]["Timeout"]
    assert RESOURCES[f"{prefix(name)}Queue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout
    events = LAMBDAS[f"{prefix(name)}Jobs"]["Events"]
    assert events["WakeUps"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert events["Tick"]["Properties"]["Schedule"] == "rate(1 minute)"


@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONS if FUNCTIONS[name].serves_http and name != "worker"]
)
def test_the_distribution_leads_each_prefix_to_its_function(name: str) -> None:
    distribution = RESOURCES["Distribution"]["Properties"]["DistributionConfig"]
    patterns = [
        each["PathPattern"] for each in distribution["CacheBehaviors"] if each["TargetOriginId"] == name
    ]
    assert any(pattern.startswith(f"/v1/{name}") for pattern in patterns)
    if name == "auth":
        assert "/.well-known/oauth-authorization-server/v1/auth" in patterns


def test_without_streaming_nothing_of_the_adapter_is_left() -> None:
    assert TEMPLATE["Parameters"]["AiStreaming"]["Default"] == "false"
    off = where("StreamsAi", LAMBDAS["AiFunction"], on=False)
    others = LAMBDAS["UsersFunction"]
    assert off["Handler"] == "functions.ai.app.handler"
    assert off["FunctionUrlConfig"] == others["FunctionUrlConfig"]
    assert off["Layers"] == [NO_VALUE]
    given = off["Environment"]["Variables"]
    assert {name for name in OF_THE_ADAPTER if given[name] != NO_VALUE} == set()


def test_with_streaming_the_start_script_runs_behind_the_adapter() -> None:
    on = where("StreamsAi", LAMBDAS["AiFunction"], on=True)
    script = PROJECT / on["Handler"]
    assert script.read_text(encoding="utf-8").startswith("#!/bin/bash\n")
    assert script.stat().st_mode & 0o111
    assert on["FunctionUrlConfig"]["InvokeMode"] == "RESPONSE_STREAM"
    given = on["Environment"]["Variables"]
    assert {name: given[name] for name in OF_THE_ADAPTER} == OF_THE_ADAPTER
    [layer] = where("HasWebAdapter", on["Layers"], on=False)
    pattern, [processor] = layer["Fn"][1][0], layer["Fn"][1][1].values()
    place = r"arn:\$\{AWS::Partition\}:lambda:\$\{AWS::Region\}:753240598075"
    assert re.fullmatch(rf"{place}:layer:LambdaAdapterLayer\$\{{Processor\}}:\d+", pattern)
    assert [where("OnArm", processor, on=arm) for arm in (False, True)] == ["X86", "Arm64"]
    assert where("HasWebAdapter", on["Layers"], on=True) == [{"Fn": ["Ref", "WebAdapterArn"]}]


def test_an_answer_of_a_model_ends_before_its_lambda_does() -> None:
    longest = Settings.model_fields["ollama_total_seconds"].default
    assert longest < TEMPLATE["Mappings"]["Sizes"]["AiFunction"]["Timeout"] <= 900


def test_the_release_has_the_default_that_a_deployment_replaces() -> None:
    assert TEMPLATE["Parameters"]["ReleaseHash"]["Default"] == UNNAMED


def test_samconfig_sets_parameters_that_there_are() -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    for stage in ("local", "dev", "prod"):
        given = dict(
            each.split("=", 1) for each in config[stage]["deploy"]["parameters"]["parameter_overrides"]
        )
        assert given.keys() - TEMPLATE["Parameters"].keys() == set()
        needed = {name for name, each in TEMPLATE["Parameters"].items() if "Default" not in each}
        assert needed - given.keys() == set()


def test_the_operators_page_explains_every_alarm_and_no_other() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Alarms on AWS")[2].partition("\n## ")[0]
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))
    named = {
        each["Properties"]["AlarmName"]["Fn"][1].removeprefix("lambkin-${Stage}-")
        for each in RESOURCES.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    functions_of = "|".join(FUNCTIONS)
    assert {re.sub(rf"^({functions_of})-(jobs-)?", "", name) for name in named} == explained
