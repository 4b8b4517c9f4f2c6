"""Clients that others wrote find this server by its metadata and use it as they use any other."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

from common.settings import get_settings
from functions.auth.signing import forget_signing_key
from tests.functions.auth.test_revocation import api_key
from tests.support.fixtures import SettingsChange
from tests.support.transports import uvicorn_server
from tests.support.world import PASSWORD, World

VERIFIER = """
import sys, jwt
token, jwks_uri, issuer = sys.argv[1:]
key = jwt.PyJWKClient(jwks_uri).get_signing_key_from_jwt(token)
print(jwt.decode(token, key, algorithms=["EdDSA"], audience="lambkin", issuer=issuer)["sub"])
"""


@pytest.fixture
def issuer(world: World, settings: SettingsChange) -> Iterator[str]:
    """A server over HTTP that knows its public address; gives its issuer."""
    with uvicorn_server() as url:
        settings(PUBLIC_URL=url)
        forget_signing_key()
        yield get_settings().issuer


@pytest.fixture
def metadata(issuer: str) -> dict[str, Any]:
    """What a client finds that knows the issuer alone, at the address that the standard makes of it."""
    answer = httpx.get(get_well_known_url(issuer, external=True))
    assert answer.headers["cache-control"] == "public, max-age=300"
    found: dict[str, Any] = answer.json()
    return found


def session(metadata: dict[str, Any]) -> OAuth2Session:
    return OAuth2Session(
        client_id="tests", token_endpoint=metadata["token_endpoint"], token_endpoint_auth_method="none"
    )


def test_the_metadata_is_that_of_the_issuer_and_valid(metadata: dict[str, Any], issuer: str) -> None:
    assert metadata["issuer"] == issuer
    # Over plain HTTP, which the library refuses for addresses, on loopback alone.
    secure = {
        name: value.replace("http:", "https:") for name, value in metadata.items() if type(value) is str
    }
    given = AuthorizationServerMetadata(metadata | secure)
    # RFC 8414 requires the member, and has nothing to put into it where there is no authorization endpoint;
    # the library wants an element. Clients that look for the member find it empty, which is true.
    given.REGISTRY_KEYS = [name for name in given.REGISTRY_KEYS if name != "response_types_supported"]
    given.validate()


def test_the_metadata_is_the_same_at_both_its_addresses(metadata: dict[str, Any], issuer: str) -> None:
    appended = httpx.get(f"{issuer}/.well-known/oauth-authorization-server")
    assert appended.json() == metadata


def test_every_member_of_the_metadata_is_true(metadata: dict[str, Any], issuer: str, world: World) -> None:
    """Walks through the document: a member that is not used here fails the test."""
    untried = dict(metadata)
    assert untried.pop("issuer") == issuer
    user = world.account()
    assert untried.pop("token_endpoint_auth_methods_supported") == ["none"]
    with session(metadata) as client:
        token = client.fetch_token(username=user.email, password=PASSWORD, grant_type="password")
        for grant in untried.pop("grant_types_supported"):
            form = {"grant_type": grant, "username": user.email, "password": PASSWORD}
            form["refresh_token"] = token["refresh_token"]
            assert httpx.post(untried["token_endpoint"], data=form).status_code == 200
        refused = httpx.post(untried.pop("token_endpoint"), data={"grant_type": "client_credentials"})
        assert refused.json()["error"] == "unsupported_grant_type"
    scopes = untried.pop("scopes_supported")
    assert set(token["scope"].split()) <= set(scopes)
    administrator = world.person(roles=["admin"])
    asked = {"token": administrator.access_token}
    introspection = untried.pop("introspection_endpoint")
    for method in untried.pop("introspection_endpoint_auth_methods_supported"):
        headers = {"Authorization": f"{method} {administrator.access_token}"}
        told = httpx.post(introspection, data=asked, headers=headers).json()
        assert set(told["scope"].split()) == set(scopes)
        assert told["iss"] == issuer
    assert httpx.post(introspection, data=asked).status_code == 401
    published = httpx.get(untried.pop("jwks_uri")).json()["keys"]
    assert jwt.get_unverified_header(token["access_token"])["kid"] in {key["kid"] for key in published}
    assert untried.pop("revocation_endpoint_auth_methods_supported") == ["none"]
    assert httpx.post(untried.pop("revocation_endpoint"), data=asked).status_code == 200
    assert untried.pop("response_types_supported") == []
    assert untried == {}


def test_a_session_of_authlib_signs_in_refreshes_by_itself_and_revokes(
    metadata: dict[str, Any], issuer: str, world: World
) -> None:
    user = world.account()
    me = f"{issuer.removesuffix('/auth')}/users/me"
    with session(metadata) as client:
        first = client.fetch_token(username=user.email, password=PASSWORD, grant_type="password")
        assert client.get(me).json()["email"] == user.email
        # The library looks at the clock: a token that has expired is refreshed before the next request.
        client.token = dict(first) | {"expires_at": int(time.time()) - 1}
        assert client.get(me).status_code == 200
        second = dict(client.token)
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        revoked = client.revoke_token(metadata["revocation_endpoint"], token_type_hint="refresh_token")
        assert revoked.status_code == 200
        client.token = second | {"expires_at": int(time.time()) - 1}
        with pytest.raises(Exception, match="invalid_grant"):
            client.get(me)


def test_a_session_of_authlib_introspects_with_an_api_key(
    metadata: dict[str, Any], issuer: str, world: World
) -> None:
    user = world.account()
    service = api_key(world, world.account(roles=["admin"]).id, scopes="{tokens:introspect}")
    with session(metadata) as client:
        token = client.fetch_token(username=user.email, password=PASSWORD, grant_type="password")
        headers = {"Authorization": f"Bearer {service}"}
        endpoint = metadata["introspection_endpoint"]
        told = client.introspect_token(endpoint, token=token["access_token"], headers=headers).json()
        assert (told["active"], told["sub"], told["iss"]) == (True, str(user.id), issuer)
        client.revoke_token(metadata["revocation_endpoint"], token=token["access_token"])
        told = client.introspect_token(endpoint, token=token["access_token"], headers=headers).json()
        assert told == {"active": False}


def test_pyjwkclient_verifies_in_another_process(metadata: dict[str, Any], world: World) -> None:
    user = world.account()
    with session(metadata) as client:
        token = client.fetch_token(username=user.email, password=PASSWORD, grant_type="password")
    arguments = [
        sys.executable, "-c", VERIFIER, token["access_token"], metadata["jwks_uri"], metadata["issuer"],
    ]  # fmt: skip
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(user.id)
