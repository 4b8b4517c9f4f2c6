"""RFC 6749, as standard clients speak it."""

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session

from tests.support.world import PASSWORD, World


def test_a_standard_client_signs_in_and_refreshes(over_http: httpx.Client, world: World) -> None:
    user = world.account()
    url = str(over_http.base_url.join("/v1/auth/token"))
    client = OAuth2Session(client_id="tests", token_endpoint=url, token_endpoint_auth_method="none")
    with client:
        token = client.fetch_token(url, username=user.email, password=PASSWORD, grant_type="password")
        assert token["token_type"] == "Bearer"
        me = client.get(str(over_http.base_url.join("/v1/users/me")))
        assert me.json()["email"] == user.email
        renewed = client.refresh_token(url, refresh_token=token["refresh_token"])
        assert renewed["refresh_token"] != token["refresh_token"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "nobody@lambkin.example", "password": "x"}, "invalid_grant"),
        ({"grant_type": "password", "username": "no address", "password": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "lr_unknown"}, "invalid_grant"),
    ],
)
def test_a_refusal_has_the_members_of_the_protocol_inside_a_problem(
    asgi: httpx.Client, form: dict[str, str], error: str
) -> None:
    refused = asgi.post("/v1/auth/token", data=form)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["cache-control"] == "no-store"
    body = refused.json()
    assert (body["error"], body["code"], body["status"]) == (error, error, 400)
    assert body["error_description"]


def test_the_token_endpoint_wants_a_form(asgi: httpx.Client) -> None:
    refused = asgi.post("/v1/auth/token", json={"grant_type": "password"})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
