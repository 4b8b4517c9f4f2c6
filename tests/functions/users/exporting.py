"""Asking for an export, and looking at what comes of it."""

from io import BytesIO
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import httpx

from tests.functions.users.running import run_due
from tests.support.world import Person, World


def ask(api: httpx.Client, person: Person) -> httpx.Response:
    return api.post("/v1/users/me/export", headers=person.headers)


def look(api: httpx.Client, person: Person) -> dict[str, Any]:
    answer = api.get("/v1/users/me/export", headers=person.headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def export(api: httpx.Client, world: World, person: Person) -> dict[str, Any]:
    """Ask for an export and run its jobs; what it is like then."""
    assert ask(api, person).status_code == 202
    assert set(run_due(world, person.id)) == {"done"}
    return look(api, person)


def fetch(link: str) -> httpx.Response:
    with httpx.Client() as client:
        return client.get(link)


def unzip(content: bytes) -> dict[str, str]:
    with ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def download(api: httpx.Client, token: str) -> httpx.Response:
    return api.get("/v1/users/exports/download", params={"token": token})


def mailed(world: World, person: Person) -> list[str]:
    return [mail.token for mail in world.mails(person.email) if mail.template == "export_ready"]


def parts(world: World, person: Person) -> int:
    """How many parts wait for archives of this person."""
    counted = "select count(*) from export_parts join exports on exports.id = export_id where user_id = :id"
    return int(world.scalar(counted, id=person.id))


def job_of(world: World, person: Person, task: str, function: str = "users") -> UUID:
    found: UUID = world.scalar(
        "select id from jobs where task = :task and function = :function and payload->>'user_id' = :id"
        " order by created_at, id limit 1",
        task=task, function=function, id=str(person.id),
    )  # fmt: skip
    return found
