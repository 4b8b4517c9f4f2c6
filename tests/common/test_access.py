from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest

from common.access import Principal, requires
from common.app import create_app
from common.permissions import BUILT_IN
from common.routing import Router
from tests.support.transports import AsgiTransport
from tests.support.world import World

router = Router(prefix="/v1/users", tags=["users"])


@router.get("/everyone")
async def everyone(user: Annotated[Principal, requires("users:read")]) -> dict[str, str]:
    return {"by": str(user.user_id)}


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[httpx.Client]:
    app = create_app("users", summary="Tests.", router=router)
    with httpx.Client(transport=AsgiTransport(app), base_url="http://backend:8000") as client:
        yield client


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("member", 403)])
def test_a_permission_is_what_the_role_gives(api: httpx.Client, world: World, role: str, status: int) -> None:
    answer = api.get("/v1/users/everyone", headers=world.person(roles=[role]).headers)
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "insufficient_scope"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token x"])
def test_without_a_token_it_is_401_with_a_challenge(api: httpx.Client, header: str) -> None:
    answer = api.get("/v1/users/everyone", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_scheme_is_compared_without_case(api: httpx.Client, world: World) -> None:
    token = world.person(roles=["admin"]).access_token
    assert api.get("/v1/users/everyone", headers={"Authorization": f"bEARER {token}"}).status_code == 200


def test_an_admin_may_all_that_a_member_may() -> None:
    assert BUILT_IN["admin"] > BUILT_IN["member"]
