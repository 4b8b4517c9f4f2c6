"""What tests build: accounts, sessions, tokens; what they read: mails, rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from common import accounts
from common.context import RequestContext, enter_context
from common.database.engine import build_engine
from common.encryption import decrypt
from common.models import User
from functions.auth import sign_in
from functions.auth.passwords import Passwords
from functions.auth.repository import credentials
from tests.support.jobs import run_jobs

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """An account with a live session."""

    id: UUID
    email: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


@dataclass(frozen=True)
class Mail:
    """A mail that waits to be sent."""

    template: str
    to: str
    values: dict[str, Any]

    @property
    def token(self) -> str:
        return str(self.values["link"]).partition("token=")[2]


class World:
    """Reads and writes the database as its owner, behind the functions' backs."""

    def __init__(self, database_url: str) -> None:
        self.engine = build_engine(make_url(database_url), "tests", pool_size=5)
        self._password_hash = Passwords()._hasher.hash(PASSWORD)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.execute(text(sql), values))

    def run(self, sql: str, **values: Any) -> int:
        with self.engine.begin() as connection:
            return connection.execute(text(sql), values).rowcount

    def scalar(self, sql: str, **values: Any) -> Any:
        return self.rows(sql, **values)[0][0]

    @staticmethod
    def address() -> str:
        return f"{uuid4().hex}@lambkin.example"

    def account(
        self, *, email: str = "", verified: bool = True, roles: Sequence[str] = ("member",), name: str = "Ada"
    ) -> User:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            user = accounts.create_account(
                session, email or self.address(), name=name, roles=roles, verified=verified
            )
            assert user is not None
            credentials.set_password(session, user.id, self._password_hash)
            return user

    def person(self, **options: Any) -> Person:
        """A signed-in person, without the cost of a password."""
        user = self.account(**options)
        enter_context(RequestContext(function="auth", client_address="198.51.100.1", user_agent="tests"))
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            tokens = sign_in.open_session(session, user.id, user.roles)
        return Person(user.id, user.email, tokens.access_token, tokens.refresh_token or "")

    def mails(self, to: str) -> list[Mail]:
        """The mails to this address that wait in `jobs`, oldest first; `auth` does its jobs before."""
        run_jobs("auth")
        found = []
        for job_id, secret in self.rows(
            "select id, secret from jobs where task = 'send_mail' order by created_at, id"
        ):
            content = json.loads(decrypt(secret, f"job:{job_id}"))
            if content["to"] == to:
                found.append(Mail(content["template"], content["to"], content["values"]))
        return found

    def audit(self, subject_id: UUID) -> list[tuple[str, str]]:
        """Action and outcome of each entry on this account, oldest first."""
        entries = self.rows(
            "select action, outcome from audit_log where subject_id = :id order by created_at, id",
            id=subject_id,
        )
        return [(entry.action, entry.outcome) for entry in entries]
