"""The child that makes accounts with a live session and an API key each: what each shows, as JSON."""

import asyncio
import json
import sys
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from common import accounts, api_keys
from common.context import RequestContext, enter_context
from common.database import get_database
from common.models import ApiKey, User
from functions.auth import sign_in
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials

SCOPES = ("ai:use", "profile:read")


def make_accounts(session: Session, number: int, password_hash: str) -> list[dict[str, str]]:
    """`number` new accounts, the last an administrator's: id, address, access and refresh token, API key."""
    made = []
    for index in range(number):
        role = "admin" if index == number - 1 else "member"
        user = accounts.create_account(
            session, f"bench{index}@lambkin.example", name=f"Bench {index}", roles=[role], verified=True
        )
        if user is None:
            raise ValueError("the database is not a fresh one")
        credentials.set_password(session, user.id, password_hash)
        tokens = sign_in.open_session(session, user.id, user.roles)
        made.append(
            {
                "id": str(user.id),
                "email": user.email,
                "access": tokens.access_token,
                "refresh": tokens.refresh_token or "",
                "key": _add_key(session, user),
            }
        )
    return made


def _add_key(session: Session, user: User) -> str:
    key_id = uuid4()
    key = api_keys.new_key(key_id)
    session.execute(
        insert(ApiKey).values(
            id=key_id,
            user_id=user.id,
            name="Bench",
            digest=api_keys.key_digest(key),
            scopes=list(SCOPES),
        )
    )
    return key


def main() -> None:
    """Answer `{"accounts": n, "password": p}` with n accounts."""
    question = json.load(sys.stdin)
    enter_context(RequestContext(function="auth", client_address="127.0.0.1", user_agent="bench"))
    password_hash = asyncio.run(get_passwords().hash(question["password"]))
    made = get_database("auth").transaction(
        lambda session: make_accounts(session, question["accounts"], password_hash)
    )
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
