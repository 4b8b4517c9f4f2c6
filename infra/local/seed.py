"""Demo accounts in the database: made where they are missing, otherwise left as they are.

    python -m infra.local.seed

The passwords are kept before the accounts are made, so that an interrupted run makes none that nobody knows.
"""

import asyncio
from functools import partial

from sqlalchemy.orm import Session

from common import accounts, audit
from common.database import get_database
from functions.auth.passwords import get_passwords
from functions.auth.repository import credentials
from infra.local.demo import Account, Demo, make_demo, read_demo, write_demo
from infra.local.home import Home


def seed(home: Home) -> list[Account]:
    """Make the accounts that the database lacks; returns those that were made."""
    demo = read_demo(home)
    if demo is None:
        demo = make_demo()
        write_demo(home, demo)
    database = get_database("auth")
    known = database.transaction(partial(_known, demo=demo))
    missing = [account for account in demo.accounts if account.email not in known]
    made = []
    for account in missing:
        digest = asyncio.run(get_passwords().hash(account.password))
        if database.transaction(partial(_create, account=account, password_hash=digest)):
            made.append(account)
    return made


def _known(session: Session, *, demo: Demo) -> set[str]:
    found = (accounts.find_account(session, account.email) for account in demo.accounts)
    return {user.email for user in found if user is not None}


def _create(session: Session, *, account: Account, password_hash: str) -> bool:
    user = accounts.create_account(
        session, account.email, name=account.name, roles=[account.role], verified=True
    )
    if user is None:
        return False
    credentials.set_password(session, user.id, password_hash)
    audit.record(session, "account.registered", subject_id=user.id, reason="demo")
    return True


if __name__ == "__main__":
    created = seed(Home.find())
    print(f"made {len(created)}" if created else "there already")
