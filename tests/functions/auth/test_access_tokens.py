import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from common import access, tokens
from common.encryption import decrypt
from common.models.ownership import FUNCTIONS
from tests.support.world import World


def read_me(api: httpx.Client, token: str) -> httpx.Response:
    return api.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})


def signing_key(world: World) -> tuple[str, Ed25519PrivateKey]:
    world.person()
    [row] = world.rows("select key_id, ciphertext from signing_secrets limit 1")
    raw = decrypt(row.ciphertext, f"signing-key:{row.key_id}")
    return str(row.key_id), Ed25519PrivateKey.from_private_bytes(raw)


def claims(world: World, **changes: Any) -> dict[str, Any]:
    person = world.person()
    real: dict[str, Any] = jwt.decode(person.access_token, options={"verify_signature": False})
    return {name: value for name, value in (real | changes).items() if value is not None}


def sign(world: World, body: dict[str, Any]) -> str:
    kid, key = signing_key(world)
    return jwt.encode(body, key, algorithm="EdDSA", headers={"kid": kid})


def _plain(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _alg_none(world: World) -> str:
    return f"{_plain({'alg': 'none', 'kid': signing_key(world)[0]})}.{_plain(claims(world))}."


def _hs256_over_the_public_key(world: World) -> str:
    kid, key = signing_key(world)
    import hashlib
    import hmac

    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signed = f"{_plain({'alg': 'HS256', 'kid': kid})}.{_plain(claims(world))}"
    mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _unknown_key(world: World) -> str:
    return jwt.encode(claims(world), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": str(uuid4())})


def _known_kid_other_key(world: World) -> str:
    kid, _ = signing_key(world)
    return jwt.encode(claims(world), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": kid})


def _without_kid(world: World) -> str:
    return jwt.encode(claims(world), signing_key(world)[1], "EdDSA")


def _altered(world: World) -> str:
    head, _, tail = world.person().access_token.split(".")
    return f"{head}.{_plain(claims(world))}.{tail}"


FORGERIES: dict[str, Callable[[World], str]] = {
    "alg none": _alg_none,
    "HS256 over the public key": _hs256_over_the_public_key,
    "unknown kid": _unknown_key,
    "another key under a known kid": _known_kid_other_key,
    "no kid": _without_kid,
    "altered claims": _altered,
    "another issuer": lambda world: sign(world, claims(world, iss="https://elsewhere.example")),
    "another audience": lambda world: sign(world, claims(world, aud="another")),
    "expired": lambda world: sign(world, claims(world, exp=int(time.time()) - 10)),
    "from the future": lambda world: sign(world, claims(world, iat=int(time.time()) + 60)),
    "no expiry": lambda world: sign(world, claims(world, exp=None)),
    "no session": lambda world: sign(world, claims(world, sid=None)),
    "a subject that is no id": lambda world: sign(world, claims(world, sub="' or 1=1")),
    "a scope that is a number": lambda world: sign(world, claims(world, scope=1)),
    "nonsense": lambda _: "nonsense",
    "empty parts": lambda _: "..",
    "a refresh token": lambda world: world.person().refresh_token,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_401(forgery: str, asgi: httpx.Client, world: World) -> None:
    refused = read_me(asgi, FORGERIES[forgery](world))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_carries_what_the_design_names_and_nothing_personal(world: World) -> None:
    body = jwt.decode(world.person().access_token, options={"verify_signature": False})
    assert body.keys() == {"iss", "aud", "sub", "sid", "scope", "auth_time", "iat", "exp", "jti"}
    assert body["exp"] - body["iat"] == 600


def test_a_verified_token_is_refused_once_it_expires(
    asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.person().access_token
    assert read_me(asgi, token).status_code == 200
    later = datetime.now(UTC) + timedelta(seconds=611)
    monkeypatch.setattr("jwt.api_jwt.datetime", SimpleNamespace(now=later.astimezone))
    monkeypatch.setattr("common.tokens.time", SimpleNamespace(time=later.timestamp, monotonic=time.monotonic))
    assert read_me(asgi, token).status_code == 401


def test_unknown_keys_are_looked_up_at_most_every_30_seconds(
    asgi: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.forget_tokens()
    reads = []
    read = tokens.verification_keys.read

    def counted(connection: Connection, kid: str) -> None:
        reads.append(kid)
        read(connection, kid)

    monkeypatch.setattr(tokens.verification_keys, "read", counted)
    for _ in range(5):
        assert read_me(asgi, _unknown_key(world)).status_code == 401
    assert len(reads) == 1


def test_only_auth_can_read_the_private_keys(database_url: str, world: World) -> None:
    world.person()
    privilege = "select has_table_privilege(:role, 'signing_secrets', 'select')"
    assert {name: world.scalar(privilege, role=f"lambkin_{name}") for name in FUNCTIONS} == {
        name: name == "auth" for name in FUNCTIONS
    }


def test_a_client_that_we_did_not_write_verifies_through_the_key_set(
    over_http: httpx.Client, world: World
) -> None:
    program = """
import sys, jwt
token, base = sys.argv[1:]
key = jwt.PyJWKClient(base + "/v1/auth/.well-known/jwks.json").get_signing_key_from_jwt(token)
print(jwt.decode(token, key, algorithms=["EdDSA"], audience="lambkin")["sub"])
"""
    person = world.person()
    arguments = [sys.executable, "-c", program, person.access_token, str(over_http.base_url).rstrip("/")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(person.id)
