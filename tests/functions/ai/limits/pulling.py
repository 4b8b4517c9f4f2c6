"""Pulls, as an administrator asks for them."""

import httpx

from tests.support.world import Person

PULLS = "/v1/ai/pulls"


def start(api: httpx.Client, admin: Person, model: str) -> str:
    answer = api.post(PULLS, json={"model": model}, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def read(api: httpx.Client, admin: Person, pull: str) -> dict[str, object]:
    found: dict[str, object] = api.get(f"{PULLS}/{pull}", headers=admin.headers).json()
    return found
