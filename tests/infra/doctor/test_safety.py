import pytest

from infra.doctor.findings import State
from infra.doctor.places import Place, detect, viewpoint
from tests.infra.doctor.broken import look, said
from tests.support.fixtures import SettingsChange

PUBLIC = "https://api.lambkin.example"


@pytest.mark.parametrize(
    ("values", "state", "words"),
    [
        (
            {"PUBLIC_URL": PUBLIC},
            State.FAILED,
            "SERVER_SECRET, ENCRYPTION_KEYS have the values of the source",
        ),
        ({"ENCRYPTION_KEYS": "k:short"}, State.FAILED, "ENCRYPTION_KEYS: 'k' is not `name:` and 32 bytes"),
        ({"RATE_LIMITS": "false"}, State.WARNING, "RATE_LIMITS is off"),
        ({"PUBLIC_URL": PUBLIC, "COOKIE_SECURE": "false"}, State.WARNING, "COOKIE_SECURE is off"),
        (
            {"PUBLIC_URL": "http://api.lambkin.example", "COOKIE_SECURE": "true"},
            State.WARNING,
            "browsers do not keep the cookie",
        ),
        ({"PUBLIC_URL": "http://api.lambkin.example"}, State.WARNING, "is open to strangers and not https"),
        ({"CORS_ORIGINS": "*"}, State.WARNING, "CORS_ORIGINS lets pages of every site call."),
        ({"FRONTEND_URL": "http://frontend:3000"}, State.WARNING, "no browser sends that origin"),
        ({"PUBLIC_URL": PUBLIC}, State.WARNING, "STAGE is test, and https://api.lambkin.example is open"),
        (
            {
                "STAGE": "prod",
                "PUBLIC_URL": PUBLIC,
                "FRONTEND_URL": "https://lambkin.example",
                "SERVER_SECRET": "a secret of our own",
                "ENCRYPTION_KEYS": "own:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
                "RATE_LIMITS": "true",
            },
            State.WARNING,
            "STAGE is prod, and AWS_ENDPOINT_URL sends files, queues and mail elsewhere",
        ),
    ],
)
def test_what_is_unsafe_is_said(
    settings: SettingsChange, values: dict[str, str], state: State, words: str
) -> None:
    assert words in said(look(settings(**values), "settings"), state)


def test_a_laptop_is_safe_with_the_secrets_of_the_source(settings: SettingsChange) -> None:
    report = look(settings(RATE_LIMITS="true", FRONTEND_URL="http://localhost:3000"), "settings")
    assert report.state is State.OK


def test_lambda_and_kubernetes_are_told_by_the_environment() -> None:
    assert detect({"AWS_LAMBDA_FUNCTION_NAME": "lambkin-auth"})[0] is Place.LAMBDA
    assert detect({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})[0] is Place.CONTAINER


def test_with_a_stack_everybody_is_on_this_machine() -> None:
    view = viewpoint("auth", "http://localhost:8000", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (view.here, view.there, view.outside) == (Place.HOST, Place.HOST, False)
    assert view.sentence() == "Looking from this machine at the stack that runs here, http://localhost:8000."


def test_a_container_looks_from_its_own_place() -> None:
    view = viewpoint("auth", "", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert not view.outside
    assert "from inside a container (KUBERNETES_SERVICE_HOST is set) for auth" in view.sentence()


def test_who_says_host_knows_better_than_the_signs() -> None:
    view = viewpoint("host", "", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (view.here, view.outside) == (Place.HOST, False)
    assert "taken for the host although KUBERNETES_SERVICE_HOST is set" in view.sentence()


def test_a_service_lives_in_the_network_unless_it_is_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.doctor.places._SIGNS_OF_A_CONTAINER", ())
    assert viewpoint("auth", "", {}).outside
    assert not viewpoint("host", "", {}).outside
    assert not viewpoint(None, "", {}).outside
