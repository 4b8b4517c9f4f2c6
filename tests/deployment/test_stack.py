"""`lambkin deploy` of the real template, by the real SAM, and what answers then."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from hashlib import sha256
from io import BytesIO
from uuid import UUID

import httpx
import pytest
from PIL import Image
from sqlalchemy.orm import Session

from common.functions import FUNCTIONS
from common.ids import new_id
from common.models import Job
from infra import bucket_cors
from tests.common.mail.smtp import Mailbox, smtp_server
from tests.deployment.deployed import Deployed, FunctionUrlsTransport, emulator
from tests.functions.files.calls import send
from tests.functions.files.pictures import jpeg
from tests.support.postgres import Databases
from tests.support.waiting import eventually
from tests.support.world import PASSWORD, World

TICK_SECONDS = 90


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    """An empty database: the deployment migrates it."""
    yield databases.create("deployed", migrated=False)
    databases.drop("deployed")


@pytest.fixture(scope="module")
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    """Where the emulator's SES hands its mails on."""
    with smtp_server() as found:
        yield found


@pytest.fixture(scope="module")
def mailbox(mail_server: tuple[Mailbox, int]) -> Mailbox:
    return mail_server[0]


@pytest.fixture(scope="module")
def deployed(
    database: str, mail_server: tuple[Mailbox, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The whole stack, deployed once for all tests of this module."""
    folder = tmp_path_factory.mktemp("deployed")
    with emulator(folder, mail_server[1]) as url:
        (folder / "checkout").mkdir()
        made = Deployed(folder / "checkout", url, database)
        made.aws("sesv2").create_email_identity(EmailIdentity="lambkin.example")
        for command in (("secrets", "--stage", "local"), ("deploy", "--stage", "local")):
            code, said = made.lambkin(*command)
            assert code == 0, said[-4000:]
        yield made


@pytest.fixture(scope="module")
def there(deployed: Deployed, database: str) -> Iterator[World]:
    """The database of the deployment, seen by its owner."""
    found = World(database)
    yield found
    found.engine.dispose()


@pytest.fixture(scope="module")
def client(deployed: Deployed) -> Iterator[httpx.Client]:
    """A client of the printed function URLs."""
    transport = FunctionUrlsTransport(deployed.urls())
    with httpx.Client(transport=transport, base_url="http://function-urls", timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def unannounced(there: World) -> UUID:
    """A job that no message tells of: the schedule finds it, while the other tests run."""
    job_id = new_id()
    with Session(there.engine) as session, session.begin():
        nobody = {"user_id": str(new_id())}
        session.add(Job(id=job_id, function="auth", task="send_password_reset", payload=nobody))
    return job_id


@pytest.mark.usefixtures("unannounced")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_answers_at_its_url(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/v1/{name}/livez")
    assert (answer.status_code, answer.json()) == (200, {"state": "ok"})


def test_the_deployment_has_migrated_the_database_and_functions_use_it(
    client: httpx.Client, there: World
) -> None:
    assert int(there.scalar("select version_num from alembic_version")) >= 5
    for name in ("auth", "users", "files", "worker"):
        ready = client.get(f"/v1/{name}/readyz")
        assert (ready.status_code, ready.json()["state"]) == (200, "ok"), ready.text


def test_models_are_degraded_where_there_is_no_ollama(client: httpx.Client) -> None:
    ready = client.get("/v1/ai/readyz")
    assert (ready.status_code, ready.json()["state"]) == (200, "degraded"), ready.text
    assert {probe["name"]: probe["state"] for probe in ready.json()["probes"]} == {
        "database": "ok",
        "ollama": "failed",
    }


@pytest.fixture(scope="module")
def person(client: httpx.Client, there: World, mailbox: Mailbox) -> dict[str, str]:
    """The headers of somebody who has registered, verified their address, and signed in."""
    email = there.address()
    body = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert client.post("/v1/auth/register", json=body).status_code == 202
    # Two queues, two jobs, SES, and from there SMTP.
    [mail] = eventually(lambda: [each for each in mailbox.mails if each["To"] == email], TICK_SECONDS)
    token = link_in(mail).partition("token=")[2]
    assert client.post("/v1/auth/verify-email", json={"token": token}).status_code == 200
    signed_in = client.post("/v1/auth/login", json={"email": email, "password": PASSWORD, "cookie": True})
    assert signed_in.status_code == 200, signed_in.text
    assert "HttpOnly" in signed_in.headers["set-cookie"]
    return {"Authorization": f"Bearer {signed_in.json()['access_token']}"}


def test_a_message_wakes_the_jobs_and_the_account_can_be_used(
    client: httpx.Client, person: dict[str, str]
) -> None:
    assert client.get("/v1/users/me", headers=person).json()["name"] == "Ada"
    refused = client.get("/v1/users", headers=person)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_a_photograph_is_looked_at_by_the_jobs_and_comes_back_smaller(
    client: httpx.Client, person: dict[str, str]
) -> None:
    form = {"file": ("beach.jpg", jpeg(), "image/jpeg")}
    posted = client.post("/v1/files", headers=person, files=form)
    assert posted.status_code == 201, posted.text
    path = f"/v1/files/{posted.json()['id']}"

    def ready() -> bool:
        return bool(client.get(path, headers=person, params={"wait": 10}).json()["state"] == "ready")

    eventually(ready, TICK_SECONDS)
    for asked in (f"{path}/content?rendition=512", f"{path}/image?w=512&format=png"):
        link = client.get(asked, headers=person)
        assert link.status_code == 302, link.text
        got = httpx.get(link.headers["location"])
        assert Image.open(BytesIO(got.content)).size == (512, 341)


def test_what_is_large_goes_to_the_bucket_by_itself(client: httpx.Client, person: dict[str, str]) -> None:
    content = bytes(5_000_000)
    wanted = {"name": "nothing.bin", "size": len(content), "sha256": sha256(content).hexdigest()}
    upload = client.post("/v1/files/uploads", headers=person, json=wanted).json()
    complete = f"/v1/files/uploads/{upload['id']}/complete"
    assert client.post(complete, headers=person).status_code == 409, "nothing has arrived"
    sent = send(upload["request"], content)
    assert sent.status_code == 200, sent.text
    file = client.post(complete, headers=person)
    assert file.status_code in {200, 201}, file.text
    link = client.get(f"/v1/files/{file.json()['id']}/content", headers=person)
    assert httpx.get(link.headers["location"]).content == content


def test_pages_may_reach_the_bucket(deployed: Deployed) -> None:
    s3 = deployed.aws("s3")
    [name] = [each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("lambkin-")]
    rules = s3.get_bucket_cors(Bucket=name)["CORSRules"]
    assert rules == bucket_cors.configuration(["http://localhost:3000"])["CORSRules"]


def test_the_schedule_finds_a_job_that_no_message_told_of(there: World, unannounced: UUID) -> None:
    state = "select state from jobs where id = :id"
    assert eventually(lambda: there.scalar(state, id=unannounced) == "done", TICK_SECONDS)


def test_an_event_can_be_sent_and_the_log_be_read(deployed: Deployed) -> None:
    code, said = deployed.lambkin("invoke", "users", "GET", "/v1/users/me", "--stage", "local")
    assert (code, said.splitlines()[0]) == (0, "401")
    code, said = deployed.lambkin("logs", "users", "--stage", "local")
    assert code == 0
    assert '"route": "/v1/users/me"' in said


def test_the_schema_of_a_stage_is_looked_at_and_moved_by_its_own_function(
    deployed: Deployed, there: World
) -> None:
    head = there.scalar("select version_num from alembic_version")
    assert deployed.lambkin("migrate", "status", "--stage", "local") == (0, f"At {head}, head is {head}.")
    assert deployed.lambkin("migrate", "up", "--stage", "local")[0] == 0
    assert deployed.lambkin("migrate", "check", "--stage", "local")[0] == 0
    code, said = deployed.lambkin("migrate", "down", "9999", "--stage", "local")
    assert (code, "Traceback" in said) == (1, False)
    assert "9999" in said


def test_a_function_ships_alone_and_goes_back(deployed: Deployed, client: httpx.Client) -> None:
    app = deployed.folder / "functions" / "health" / "app.py"
    before = app.read_text()

    def summary() -> str:
        return str(client.get("/v1/health/openapi.json").json()["info"]["summary"])

    shipped = summary()
    app.write_text(before.replace(shipped, "What this release says."))
    code, said = deployed.lambkin("deploy", "health", "--stage", "local")
    assert code == 0, said
    assert summary() == "What this release says."

    app.write_text("raise RuntimeError('half a thought')\n")
    code, said = deployed.lambkin("deploy", "health", "--stage", "local")
    assert (code, "is not well" in said) == (1, True), said
    assert summary() == "What this release says.", "what does not start is never used"

    code, said = deployed.lambkin("rollback", "health", "--stage", "local")
    assert code == 0, said
    assert summary() == shipped

    app.write_text(before.replace(shipped, "What all of them say."))
    code, said = deployed.lambkin("deploy", "--stage", "local", "--release", "two")
    assert code == 0, said[-4000:]
    assert summary() == "What all of them say.", "what was refused is not what a later deployment publishes"
    app.write_text(before)


def test_a_frontend_gets_lines_for_its_environment(deployed: Deployed) -> None:
    code, said = deployed.lambkin("urls", "--env", "--stage", "local")
    lines = dict(line.split("=", 1) for line in said.splitlines())
    assert (code, lines["LAMBKIN_AUTH_URL"]) == (0, deployed.urls()["auth"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy", "nothing"), "There is no function nothing"),
        (("rollback", "auth", "--to", "99"), "99"),
        (("invoke", "auth", "no such file"), "is no file of JSON"),
        (("urls", "--stage", "moon"), "has no [moon.deploy.parameters]"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    deployed: Deployed, arguments: tuple[str, ...], said: str
) -> None:
    stage = () if "--stage" in arguments else ("--stage", "local")
    code, told = deployed.lambkin(*arguments, *stage)
    assert (code, "Traceback" in told) == (1, False), told
    assert said in told


def link_in(mail: EmailMessage) -> str:
    """The link in the text of a mail."""
    text = mail.get_body(("plain",))
    assert text is not None
    [link] = re.findall(r"http\S+token=\S+", text.get_content())
    return str(link)
