from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query

from common.access import LiveUser, RecentUser
from common.conditional import CONDITIONAL_GET, IfMatch
from common.database import Db, Reading
from common.errors import InvalidInput, NotFound, PreconditionFailed, PreconditionRequired, problems
from common.idempotency import Idempotent
from common.pagination import BrokenCursor, Page, PageQuery
from common.routing import Router
from functions.auth import api_keys
from functions.auth.api_keys import ApiKeyExpired, ScopesTooWide, TooManyApiKeys
from functions.auth.schemas.api_keys import (
    ApiKeyChange,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    ApiKeyRotate,
)

router = Router(prefix="/v1/auth/api-keys", tags=["auth"])

KeyId = Annotated[UUID, Path(description="The `id` of the key.")]
Sort = Annotated[
    Literal["created_at", "-created_at"], Query(description="With a leading `-`, the newest first.")
]


@router.post(
    "",
    status_code=201,
    operation_id="create_api_key",
    summary="Create an API key",
    dependencies=[Idempotent],
    responses=problems(InvalidInput, ScopesTooWide, TooManyApiKeys),
)
def create_api_key(body: ApiKeyCreate, user: RecentUser, db: Db) -> ApiKeyCreated:
    """Make a key with which a program acts for you. This answer alone shows it."""
    return api_keys.create_key(db, user, body)


@router.get(
    "",
    operation_id="list_api_keys",
    summary="List your API keys",
    responses=problems(BrokenCursor),
)
def list_api_keys(
    page: PageQuery, user: LiveUser, db: Reading, sort: Sort = "-created_at"
) -> Page[ApiKeyRead]:
    """Your keys, expired ones too, without their secrets."""
    return api_keys.own_keys(db, user, sort, page)


@router.get(
    "/{api_key_id:uuid}",
    operation_id="read_api_key",
    summary="Read an API key",
    openapi_extra=CONDITIONAL_GET,
    responses=problems(NotFound),
)
def read_api_key(api_key_id: KeyId, user: LiveUser, db: Reading) -> ApiKeyRead:
    """One of your keys, without its secret. Its ETag names what you can change: a use does not change it."""
    return api_keys.own_key(db, user, api_key_id)


@router.patch(
    "/{api_key_id:uuid}",
    operation_id="change_api_key",
    summary="Change an API key",
    responses=problems(NotFound, PreconditionFailed, PreconditionRequired, InvalidInput, ScopesTooWide),
)
def change_api_key(
    api_key_id: KeyId, body: ApiKeyChange, user: RecentUser, db: Db, if_match: IfMatch = None
) -> ApiKeyRead:
    """Change what you name in the body. Every process follows within 10 seconds."""
    return api_keys.change_key(db, user, api_key_id, body, if_match)


@router.delete(
    "/{api_key_id:uuid}",
    status_code=204,
    operation_id="delete_api_key",
    summary="Revoke an API key",
    responses=problems(NotFound),
)
def delete_api_key(api_key_id: KeyId, user: LiveUser, db: Db) -> None:
    """Delete a key. No process accepts it after 10 seconds, and most do not after this answer."""
    api_keys.delete_key(db, user, api_key_id)


@router.post(
    "/{api_key_id:uuid}/rotate",
    operation_id="rotate_api_key",
    summary="Rotate an API key",
    dependencies=[Idempotent],
    responses=problems(NotFound, ApiKeyExpired),
)
def rotate_api_key(
    api_key_id: KeyId, user: RecentUser, db: Db, body: ApiKeyRotate | None = None
) -> ApiKeyCreated:
    """Give a key a new secret, which this answer alone shows.

    The secret before works for `overlap_seconds` more; one of an earlier rotation ends now.
    """
    return api_keys.rotate_key(db, user, api_key_id, (body or ApiKeyRotate()).overlap_seconds)
