"""Operations with every kind of demand, of any function."""

from collections.abc import Callable
from typing import Annotated, Any

import httpx

from common.access import CurrentUser, LiveUser, Principal, RecentUser, requires
from common.app import App, create_app
from common.routing import Router
from tests.support.transports import AsgiTransport

# `health` serves nobody who signs in.
SERVING = ("auth", "users", "worker")

type Statements = Callable[[], int]


def _answer(user: Principal) -> dict[str, Any]:
    return {"user_id": user.user_id, "permissions": sorted(user.permissions)}


def app_of(function: str) -> App:
    """Operations with every kind of demand, served with the database role of `function`."""
    router = Router(prefix=f"/v1/{function}", tags=[function])

    @router.get("/files")
    async def files(user: Annotated[Principal, requires("files:read")]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/profile")
    async def profile(user: Annotated[Principal, requires("profile:read")]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/live")
    async def live(user: Annotated[Principal, requires("users:read", live=True)]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/recent")
    async def recent(user: Annotated[Principal, requires("users:read", recent=True)]) -> dict[str, Any]:
        return _answer(user)

    @router.get("/session")
    async def session(user: CurrentUser) -> dict[str, Any]:
        return _answer(user)

    @router.get("/live-session")
    async def live_session(user: LiveUser) -> dict[str, Any]:
        return _answer(user)

    @router.get("/recent-session")
    async def recent_session(user: RecentUser) -> dict[str, Any]:
        return _answer(user)

    return create_app(function, summary="Tests.", router=router)


def client_of(function: str = "users", peer: str = "203.0.113.7") -> httpx.Client:
    return httpx.Client(
        transport=AsgiTransport(app_of(function), peer=peer), base_url=f"http://backend:8000/v1/{function}"
    )
