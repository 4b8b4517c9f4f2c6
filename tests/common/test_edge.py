import httpx

from common.app import create_app
from common.conditional import set_etag
from common.context import current_context
from common.errors import Conflict
from common.routing import Router
from functions.users.app import app
from tests.support.transports import AsgiTransport
from tests.support.world import World


def test_head_is_get_without_the_content(everywhere: httpx.Client, world: World) -> None:
    headers = world.person().headers
    got, head = (everywhere.request(method, "/v1/users/me", headers=headers) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]


def test_405_names_all_methods_of_the_path(everywhere: httpx.Client) -> None:
    assert everywhere.put("/v1/users/me").headers["allow"] == "DELETE, GET, HEAD, PATCH"


def test_a_path_with_a_parameter_takes_nothing_from_one_without() -> None:
    router = Router(prefix="/v1/users", tags=["users"])

    @router.get("/{user_id}")
    @router.delete("/{user_id}")
    def by_id(user_id: str) -> str:
        return user_id

    @router.get("/audit")
    def audit() -> str:
        return "the audit"

    application = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(application), base_url="http://backend:8000") as client:
        assert client.get("/v1/users/someone").json() == "someone"
        assert client.get("/v1/users/audit").json() == "the audit"
        assert client.get("/v1/users/livez").json() == {"state": "ok"}
        refused = client.delete("/v1/users/livez")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_a_refused_preflight_is_a_problem(everywhere: httpx.Client) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = everywhere.options("/v1/users/me", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_two_credentials_are_refused(everywhere: httpx.Client, world: World) -> None:
    token = world.person().headers["Authorization"]
    headers = [("Authorization", token), ("Authorization", "Bearer other")]
    assert everywhere.get("/v1/users/me", headers=headers).status_code == 401


def test_metrics_are_for_neighbours_only(world: World) -> None:
    for peer, status in (("8.8.8.8", 404), ("10.0.0.7", 200), ("127.0.0.1", 200)):
        with httpx.Client(transport=AsgiTransport(app, peer=peer), base_url="http://backend:8000") as client:
            assert client.get("/v1/users/metrics").status_code == status


def test_a_user_agent_reads_alike_over_every_transport(everywhere: httpx.Client, world: World) -> None:
    user = world.account()
    headers = {b"User-Agent": "Müller/1.0".encode("latin-1")}
    everywhere.post(
        "/v1/auth/login", json={"email": user.email, "password": "wrong password"}, headers=headers
    )
    found = "select user_agent from audit_log where subject_id = :id"
    assert world.scalar(found, id=user.id) == "Müller/1.0"


def test_what_an_endpoint_said_of_its_answer_is_not_said_of_a_failure(world: World) -> None:
    router = Router(prefix="/v1/users", tags=["users"])

    @router.get("/fails-after-its-headers")
    def fails_after_its_headers() -> None:
        set_etag(1)
        current_context().response_headers["Cache-Control"] = "public, max-age=300"
        raise Conflict

    application = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(application), base_url="http://backend:8000") as client:
        answer = client.get("/v1/users/fails-after-its-headers")
    assert answer.status_code == 409
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
