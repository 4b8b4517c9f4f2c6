"""Every creating POST is safe to repeat."""

import pytest

from tests.contract.document import OPERATIONS

POSTS = [name for name in OPERATIONS if name.startswith("POST ")]

NOT_REPEATABLE = {
    "POST /v1/auth/login": "a token endpoint: its answer must not be stored",
    "POST /v1/auth/refresh": "a token endpoint: a repetition gets the successor by itself",
    "POST /v1/auth/token": "a token endpoint: its answer must not be stored",
    "POST /v1/auth/revoke": "creates nothing: a revoked token stays revoked",
    "POST /v1/auth/introspect": "creates nothing: it looks at a token",
    "POST /v1/auth/verify-email": "creates nothing: its token works once",
    "POST /v1/auth/password/reset": "creates nothing: its token works once",
    "POST /v1/auth/email/confirm": "creates nothing: its token works once",
    "POST /v1/auth/email/undo": "creates nothing: its token works once",
    "POST /v1/auth/reauthenticate": "creates nothing: the same again is the same",
    "POST /v1/users/undo-deletion": "creates nothing: its token works once",
    "POST /v1/auth/logout": "creates nothing: a session ends once",
    "POST /v1/users/{user_id}/sign-out": "creates nothing: a session ends once",
    "POST /v1/files/uploads/{upload_id}/parts": "creates nothing: it signs addresses, as often as one likes",
    "POST /v1/files/uploads/{upload_id}/complete": "a repetition gives the same file",
    "POST /v1/files/{file_id}/image-links": "creates nothing: it signs a link",
    "POST /v1/files/{file_id}/restore": "creates nothing: a file is taken back once",
    "POST /v1/ai/chat/completions": "creates nothing: its answer is told, and not kept",
    "POST /v1/ai/embeddings": "creates nothing: the same texts have the same vectors",
    "POST /v1/ai/conversations/{conversation_id}/messages/{message_id}/stop": "creates nothing: it ends once",
    "POST /v1/ai/preloads": "creates nothing: a model is in memory, or not",
    "POST /v1/auth/invitations/accept": "creates nothing: its token works once",
}


def _takes_a_key(name: str) -> bool:
    parameters = OPERATIONS[name].get("parameters", [])
    return any(parameter["name"].lower() == "idempotency-key" for parameter in parameters)


@pytest.mark.parametrize("name", POSTS)
def test_a_post_takes_an_idempotency_key_or_says_why_not(name: str) -> None:
    assert _takes_a_key(name) != (name in NOT_REPEATABLE)


@pytest.mark.parametrize("name", [name for name in POSTS if name not in NOT_REPEATABLE])
def test_a_repeatable_post_says_how_a_repetition_is_refused(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    codes = {
        code
        for status in ("409", "422")
        for code in responses[status]["content"]["application/problem+json"]["examples"]
    }
    assert codes >= {"idempotency_in_flight", "idempotency_key_reused"}


def test_every_exception_is_an_operation() -> None:
    assert set(NOT_REPEATABLE) <= set(POSTS)
