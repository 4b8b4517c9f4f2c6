"""The child that makes accounts with a live session each: their tokens, as JSON."""

import json
import sys

from sqlalchemy.orm import Session

from common import accounts
from common.context import RequestContext, enter_context
from common.database import get_database
from functions.auth import sign_in


def make_accounts(session: Session, number: int) -> list[dict[str, str]]:
    """`number` new accounts; their access and refresh tokens."""
    made = []
    for index in range(number):
        user = accounts.create_account(
            session, f"bench{index}@lambkin.example", name=f"Bench {index}", verified=True
        )
        if user is None:
            raise ValueError("the database is not a fresh one")
        tokens = sign_in.open_session(session, user.id, user.roles)
        made.append({"access": tokens.access_token, "refresh": tokens.refresh_token or ""})
    return made


def main() -> None:
    """Answer `{"accounts": n}` with n pairs of tokens."""
    number = json.load(sys.stdin)["accounts"]
    enter_context(RequestContext(function="auth", client_address="127.0.0.1", user_agent="bench"))
    json.dump(get_database("auth").transaction(lambda session: make_accounts(session, number)), sys.stdout)


if __name__ == "__main__":
    main()
