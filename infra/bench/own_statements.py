"""What a chat asks the database before it asks a model, alone."""

import time
from uuid import UUID

from sqlalchemy.orm import Session

from common.database import get_database
from common.ids import new_id
from functions.ai.repository import reservations


def own_statements(owner: UUID) -> float:
    """Milliseconds of them, in a transaction of their own."""
    database, wanted = get_database("ai"), new_id()

    def reserve(session: Session) -> None:
        reservations.hold_owner(session, owner)
        [standing] = reservations.standing(session, owner, None, "at-50")
        reservations.reserve(
            session, reservations.Reservation(wanted, owner, None, "at-50", standing.today, 9, 9)
        )

    began = time.perf_counter()
    database.transaction(reserve)
    took = (time.perf_counter() - began) * 1000
    database.transaction(lambda session: reservations.settle(session, wanted, 9, 1))
    return took
