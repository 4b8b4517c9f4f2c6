"""What no rule can tell of an operation. A new one needs a line here at most where a test asks for it.

It is public, or it has a row, or its example does not succeed by itself, or it looks closer than the rule.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from common.functions import FUNCTIONS
from tests.contract.access.demands import Operation
from tests.support.api_keys import mint
from tests.support.files import make_file
from tests.support.ollama import MODEL
from tests.support.world import World

NOBODYS: Final = "01890a5d-ac96-774b-bcce-b302099a8057"

PUBLIC: Final = {
    *(f"{function}_{probe}" for function in FUNCTIONS for probe in ("livez", "readyz")),
    "live",
    "ready",
    "jwks",
    "oauth_metadata",
    "revoke_token",
    "register",
    "verify_email",
    "resend_verification",
    "login",
    "token",
    "refresh",
    "forgot_password",
    "reset_password",
    "confirm_email",
    "undo_email",
    "undo_deletion",
    "download_export",
    "accept_invitation",
    "read_public_image",
}
"""Operations for everybody. Without a line here, one that demands nothing is an oversight."""

HIDDEN: Final = defaultdict(
    set[str],
    # Where RFC 8414 has it; `oauth_metadata` is the same within our own paths.
    auth={"/.well-known/oauth-authorization-server/v1/auth"},
)
"""What a function serves besides, that its description does not tell of: for everybody, and of nobody."""

ANSWERS: Final = {
    "ready": "unavailable",
    "verify_email": "invalid_link",
    "login": "invalid_credentials",
    "token": "invalid_grant",
    "refresh": "invalid_refresh_token",
    "reset_password": "invalid_link",
    "confirm_email": "invalid_link",
    "undo_email": "invalid_link",
    "undo_deletion": "invalid_link",
    "read_export": "no_export",
    "download_export": "invalid_link",
    "accept_invitation": "invalid_link",
    # There is no bucket.
    "upload_file": "unavailable",
    "request_parts": "unavailable",
    "complete_upload": "not_arrived",
    "restore_file": "not_in_trash",
    "read_image": "no_picture",
    "read_public_image": "invalid_signature",
}
"""How an operation ends for who may call it, where its example does not succeed: nobody's token, for one."""

EXCEPTIONS: Final = {
    ("read_me", "a disabled account"): "invalid_token",
    ("change_me", "a disabled account"): "invalid_token",
}
"""Cells that are stricter than the rule: these look at the account in any case."""

BODIES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "create_role": lambda: {"name": _role_name(), "permissions": ["profile:read"]},
    "change_role": lambda: {"permissions": ["profile:read"]},
    "set_user_roles": lambda: {"roles": ["member"]},
    # The example says everything that can be said; this is one that the tests' Ollama has.
    "create_chat_completion": lambda: {
        "model": "tiny", "stream": False, "messages": [{"role": "user", "content": "say 1"}],
        "tool_choice": "auto", "response_format": None, "tools": None,
    },
    "create_quota": lambda: {"model": _model_name()},
    # Everybody's it stays.
    "change_model_settings": lambda: {"roles": None, "tasks": []},
    "preload_model": lambda: {"model": MODEL},
    "create_pull": lambda: {"model": _model_name()},
    "create_conversation": lambda: {"model": "tiny"},
    "change_conversation": lambda: {"leaf_id": None},
    "create_message": lambda: {"model": "tiny", "stream": False, "parent_id": None, "parameters": None},
    "regenerate_message": lambda: {"model": "tiny", "stream": False, "parameters": None},
    "create_embeddings": lambda: {"model": "vectors", "dimensions": 2},
}  # fmt: skip
"""Members in place of an example's, where that serves once only, or wants more than the operation demands.

Addresses of mail are new in any case.
"""


@dataclass(frozen=True)
class Row:
    """What a path parameter names: a row of the caller's own, or one of anybody's that a permission opens.

    `make` gives the name of a new row, of the account that it is told where it is somebody's; `missing` is
    the name of none, and as long; `refusal` how one that is not the caller's is refused.
    """

    of: Literal["the caller", "anybody"]
    make: Callable[[World, UUID], object]
    missing: str = NOBODYS
    refusal: str = "not_found"


def _role_name() -> str:
    return f"role-{uuid4().hex[:8]}"


def _model_name() -> str:
    return f"model-{uuid4().hex[:8]}:1b"


def _quota(world: World, _: UUID) -> object:
    statement = "insert into ai_quotas (id, model, period) values (:id, :model, 'day') returning id"
    return world.scalar(statement, id=uuid4(), model=_model_name())


def _pull(world: World, _: UUID) -> object:
    statement = (
        "insert into model_pulls (id, model, state, finished_at) "
        "values (:id, :model, 'done', now()) returning id"
    )
    return world.scalar(statement, id=uuid4(), model=_model_name())


def _waiting_pull(world: World, _: UUID) -> object:
    statement = "insert into model_pulls (id, model) values (:id, :model) returning id"
    return world.scalar(statement, id=uuid4(), model=_model_name())


def _session(world: World, owner: UUID) -> object:
    statement = (
        "insert into sessions (id, user_id, client_address, user_agent, expires_at) "
        "values (:id, :owner, '198.51.100.1', 'tests', now() + interval '1 day') returning id"
    )
    return world.scalar(statement, id=uuid4(), owner=owner)


def _api_key(world: World, owner: UUID) -> object:
    return mint(world, owner).id


def _account(world: World, _: UUID) -> object:
    # Who may do nothing: whoever may act on accounts may act on this one.
    return world.account(roles=[]).id


def _invited(world: World, _: UUID) -> object:
    account = world.account(roles=[], verified=False)
    world.run("update users set state = 'invited' where id = :id", id=account.id)
    return account.id


def _role(world: World, _: UUID) -> object:
    return world.scalar(
        "insert into roles (name, permissions) values (:n, '{}') returning name", n=_role_name()
    )


def _list_of_invitations(world: World, owner: UUID) -> object:
    statement = "insert into bulk_invitations (id, created_by) values (:id, :owner) returning id"
    return world.scalar(statement, id=uuid4(), owner=owner)


def _file(world: World, owner: UUID) -> object:
    return make_file(world, owner)


def _upload(world: World, owner: UUID) -> object:
    statement = (
        "insert into uploads (id, owner_id, kind, size, part_size, object_key, attributes, expires_at) "
        "values (:id, :owner, 'parts', 9000000, 8388608, 'files/x', cast(:attributes as jsonb), "
        "now() + interval '1 day') returning id"
    )
    world.run(
        "insert into storage_usage (owner_id, reserved) values (:owner, 9000000) "
        "on conflict (owner_id) do update set reserved = storage_usage.reserved + 9000000",
        owner=owner,
    )
    return world.scalar(statement, id=uuid4(), owner=owner, attributes='{"name": "sonnet.txt"}')


def _conversation(world: World, owner: UUID) -> object:
    statement = "insert into conversations (id, owner_id, model) values (:id, :owner, 'tiny') returning id"
    return world.scalar(statement, id=uuid4(), owner=owner)


def _message(world: World, owner: UUID) -> object:
    conversation, question, answer = _conversation(world, owner), uuid4(), uuid4()
    world.run(
        "insert into messages"
        " (id, conversation_id, owner_id, parent_id, depth, role, content, model, last_event)"
        " values (:question, :conversation, :owner, null, 0, 'user', 'say 1', null, null),"
        " (:answer, :conversation, :owner, :question, 1, 'assistant', 'w0', 'tiny', 2)",
        question=question,
        conversation=conversation,
        owner=owner,
        answer=answer,
    )
    return f"{conversation}/{answer}"


ROWS: Final = {
    "session_id": Row("the caller", _session),
    "api_key_id": Row("the caller", _api_key),
    "user_id": Row("anybody", _account),
    "resend_invitation": Row("anybody", _invited),
    "revoke_invitation": Row("anybody", _invited),
    "list_id": Row("anybody", _list_of_invitations),
    "name": Row("anybody", _role, missing=_role_name()),
    "file_id": Row("the caller", _file),
    "read_public_image": Row("anybody", _file),
    "upload_id": Row("the caller", _upload, refusal="no_upload"),
    "quota_id": Row("anybody", _quota),
    "pull_id": Row("anybody", _pull),
    "cancel_pull": Row("anybody", _waiting_pull),
    "managed_model_id": Row("anybody", lambda *_: MODEL, missing="x" * len(MODEL)),
    "conversation_id": Row("the caller", _conversation),
    "message_id": Row("the caller", _message, missing=f"{NOBODYS}/{NOBODYS}"),
    "model_id": Row("anybody", lambda *_: MODEL, missing="x" * len(MODEL)),
}
"""By path parameter, or by operation where that wants a row of another kind."""


def row_of(operation: Operation) -> Row:
    """The row that an operation names. Raises KeyError for one without a line."""
    return ROWS.get(operation.id) or ROWS[operation.row]
