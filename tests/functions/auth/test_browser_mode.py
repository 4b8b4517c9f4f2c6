"""The refresh token in a cookie: out of the reach of scripts, and of other sites."""

from http.cookies import SimpleCookie

import httpx
import pytest

from tests.support.fixtures import SettingsChange
from tests.support.world import PASSWORD, World

FRONTEND = "http://frontend:3000"


def login(api: httpx.Client, world: World, **headers: str) -> httpx.Response:
    body = {"email": world.account().email, "password": PASSWORD, "cookie": True}
    return api.post("/v1/auth/login", json=body, headers=headers)


def cookie(response: httpx.Response) -> SimpleCookie:
    [header] = response.headers.get_list("set-cookie")
    return SimpleCookie(header)


def refresh(api: httpx.Client, value: str, **headers: str) -> httpx.Response:
    return api.post("/v1/auth/refresh", headers={"Cookie": f"lambkin_refresh={value}"} | headers)


def test_the_refresh_token_is_in_the_cookie_alone(everywhere: httpx.Client, world: World) -> None:
    answer = login(everywhere, world, Origin=FRONTEND)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] is None
    morsel = cookie(answer)["lambkin_refresh"]
    assert morsel.value.startswith("lr_")
    assert (morsel["path"], morsel["samesite"], morsel["httponly"]) == ("/v1/auth", "Lax", True)
    assert int(morsel["max-age"]) == 30 * 86_400
    everywhere.cookies.clear()
    again = refresh(everywhere, morsel.value, Origin=FRONTEND)
    assert again.status_code == 200, again.text
    assert cookie(again)["lambkin_refresh"].value != morsel.value
    assert again.json()["refresh_token"] is None
    everywhere.cookies.clear()


@pytest.mark.parametrize(
    ("environment", "secure"),
    [
        ({"PUBLIC_URL": "https://a.example"}, "Secure"),
        ({"PUBLIC_URL": "http://a.example"}, ""),
        ({"PUBLIC_URL": "http://a.example", "COOKIE_SECURE": "true"}, "Secure"),
    ],
)
def test_secure_follows_the_setting_or_the_public_address(
    asgi: httpx.Client, world: World, settings: SettingsChange, environment: dict[str, str], secure: str
) -> None:
    settings(COOKIE_PATH="/api/auth", **environment)
    answer = login(asgi, world)
    asgi.cookies.clear()
    attributes = answer.headers["set-cookie"].split("; ")
    assert ("Secure" in attributes) == bool(secure)
    assert "Path=/api/auth" in attributes


ANOTHER_SITE = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": FRONTEND},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.frontend"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]
OUR_SITE = [
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": FRONTEND},
    {"Sec-Fetch-Site": "none"},
    {"Origin": FRONTEND},
    {"Origin": "http://localhost:8000"},
    {},
]


@pytest.mark.parametrize("headers", ANOTHER_SITE)
def test_a_page_of_another_site_gets_no_cookie_and_uses_none(
    asgi: httpx.Client, world: World, headers: dict[str, str]
) -> None:
    refused = login(asgi, world, **headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "cross_site_cookie")
    assert "set-cookie" not in refused.headers
    token = world.person().refresh_token
    refused = refresh(asgi, token, **headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "cross_site_cookie")
    assert asgi.post("/v1/auth/refresh", json={"refresh_token": token}, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", OUR_SITE)
def test_a_page_of_our_site_gets_the_cookie_and_uses_it(
    asgi: httpx.Client, world: World, headers: dict[str, str]
) -> None:
    token = cookie(login(asgi, world, **headers))["lambkin_refresh"].value
    asgi.cookies.clear()
    assert refresh(asgi, token, **headers).status_code == 200
    asgi.cookies.clear()


@pytest.mark.parametrize("value", ["lr_unknown", "x" * 4000])
def test_a_cookie_that_is_refused_is_deleted(everywhere: httpx.Client, value: str) -> None:
    refused = refresh(everywhere, value)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_refresh_token")
    morsel = cookie(refused)["lambkin_refresh"]
    assert (morsel.value, morsel["max-age"]) == ("", "0")
    everywhere.cookies.clear()


def test_without_cookie_or_body_there_is_no_refresh(asgi: httpx.Client) -> None:
    assert asgi.post("/v1/auth/refresh").json()["code"] == "invalid_refresh_token"
    asgi.cookies.clear()


def test_signing_out_deletes_the_cookie(asgi: httpx.Client, world: World) -> None:
    answer = login(asgi, world)
    asgi.cookies.clear()
    token = cookie(answer)["lambkin_refresh"].value
    headers = {
        "Authorization": f"Bearer {answer.json()['access_token']}",
        "Cookie": f"lambkin_refresh={token}",
    }
    kept = asgi.post("/v1/auth/logout", json={"scope": "others"}, headers=headers)
    assert "set-cookie" not in kept.headers
    left = asgi.post("/v1/auth/logout", headers=headers)
    assert cookie(left)["lambkin_refresh"]["max-age"] == "0"
    asgi.cookies.clear()


def test_parallel_tabs_share_a_cookie(asgi: httpx.Client, world: World) -> None:
    token = world.person().refresh_token
    values = {cookie(refresh(asgi, token))["lambkin_refresh"].value for _ in range(3)}
    asgi.cookies.clear()
    assert len(values) == 1


def test_two_cookies_are_none_of_ours(everywhere: httpx.Client, world: World) -> None:
    victim, intruder = world.person().refresh_token, world.person().refresh_token
    both = {"Cookie": f"lambkin_refresh={victim}; lambkin_refresh={intruder}"}
    refused = everywhere.post("/v1/auth/refresh", headers=both)
    assert (refused.status_code, refused.json()["code"]) == (400, "cross_site_cookie")
    everywhere.cookies.clear()
