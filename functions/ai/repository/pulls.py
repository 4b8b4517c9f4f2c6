"""Models on their way to Ollama: all statements on `model_pulls`, and the only writes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.ids import new_id
from common.models import ModelPull
from common.pagination import PageParameters, SortKey, paginate_rows

LEASE_SECONDS: Final = 30
OPEN: Final = ("queued", "running")

_NEWEST: Final = SortKey(ModelPull.id, "desc")
_COLUMNS: Final = (
    *(ModelPull.id, ModelPull.model, ModelPull.state, ModelPull.status, ModelPull.completed),
    *(ModelPull.total, ModelPull.problem, ModelPull.created_at, ModelPull.updated_at, ModelPull.finished_at),
)

# One at a time: whoever claims one waits for who is claiming at this moment.
_ONE_AT_A_TIME: Final = text("select pg_advisory_xact_lock(hashtextextended('ai pulls', 0))")
_CLAIM: Final = text("""
    update model_pulls set state = 'running', holder = :holder, updated_at = now(),
        held_until = now() + make_interval(secs => :lease)
    where id = (
        select id from model_pulls where state in ('queued', 'running')
            and not exists (
                select from model_pulls as other where other.state = 'running' and other.held_until > now()
            )
        order by state desc, id limit 1
    )
    returning id, model, attempts
""")
_TELL: Final = text("""
    update model_pulls set status = :status, completed = :completed, total = :total, attempts = 0,
        updated_at = now(), held_until = now() + make_interval(secs => :lease)
    where id = :id and state = 'running' and holder = :holder
    returning id
""")
_WAITING: Final = text("""
    select exists (
        select from model_pulls where state = 'queued' or (state = 'running' and held_until < now())
    ) and not exists (
        select from jobs where function = 'ai' and task = :task and state in ('queued', 'running')
    )
""")


@dataclass(frozen=True, slots=True)
class Held:
    """A pull that is ours; `attempts` is how often it failed in a row."""

    id: UUID
    holder: UUID
    model: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come, in bytes; the status is Ollama's own word."""

    status: str
    completed: int
    total: int


def add_pull(session: Session, model: str) -> ModelPull | None:
    """A new one; null where the model is on its way already."""
    statement = insert(ModelPull).values(id=new_id(), model=model).on_conflict_do_nothing()
    return session.scalar(statement.returning(ModelPull))


def page_of_pulls(connection: Connection, page: PageParameters) -> tuple[list[AnyRow], str | None]:
    """A page of them, the newest first."""
    return paginate_rows(connection, select(*_COLUMNS), [_NEWEST], page, context="pulls")


def find_pulls(connection: Connection, ids: Collection[UUID]) -> Sequence[AnyRow]:
    """Those with these ids."""
    return connection.execute(select(*_COLUMNS).where(ModelPull.id.in_(list(ids)))).all()


def hold_pull(session: Session, pull_id: UUID) -> ModelPull | None:
    """One of them, which nobody changes until the transaction ends."""
    return session.scalar(select(ModelPull).where(ModelPull.id == pull_id).with_for_update())


def claim(session: Session) -> Held | None:
    """The one that lost its process, or the oldest that waits; null where one is under way, or none waits."""
    session.execute(_ONE_AT_A_TIME)
    holder = new_id()
    row = session.execute(_CLAIM, {"holder": holder, "lease": LEASE_SECONDS}).first()
    return Held(row.id, holder, row.model, row.attempts) if row else None


def tell(session: Session, held: Held, progress: Progress) -> bool:
    """Write how far it has come, and hold it on; False where it was cancelled, or is another's by now."""
    values: dict[str, Any] = {
        "id": held.id,
        "holder": held.holder,
        "lease": LEASE_SECONDS,
        "status": progress.status,
        "completed": progress.completed,
        "total": progress.total,
    }
    return session.execute(_TELL, values).first() is not None


def end(session: Session, held: Held, state: str, *, problem: str | None = None, status: str = "") -> bool:
    """It is done, or failed; False where it was cancelled, or is another's by now."""
    values: dict[str, Any] = {"state": state, "problem": problem, "finished_at": func.now()}
    if status:
        values["status"] = status
    return _change(session, held, values)


def release(session: Session, held: Held, *, failed: bool) -> bool:
    """Let another job go on with it."""
    state = "queued" if failed else "running"
    attempts = ModelPull.attempts + (1 if failed else 0)
    return _change(session, held, {"state": state, "attempts": attempts})


def _change(session: Session, held: Held, values: dict[str, Any]) -> bool:
    mine = update(ModelPull).where(
        ModelPull.id == held.id, ModelPull.state == "running", ModelPull.holder == held.holder
    )
    let_go = {"holder": None, "held_until": func.now(), "updated_at": func.now()}
    changed = mine.values(**values, **let_go).returning(ModelPull.id)
    return session.execute(changed, execution_options={"synchronize_session": False}).first() is not None


def cancel(session: Session, pull: ModelPull) -> None:
    """End one that is held, by who does not want it any more: its process finds out with its next word."""
    changed = update(ModelPull).where(ModelPull.id == pull.id)
    session.execute(changed.values(state="cancelled", finished_at=func.now(), updated_at=func.now()))


def needs_a_job(session: Session, task: str) -> bool:
    """Whether one waits, and no job is there that would take it."""
    return bool(session.execute(_WAITING, {"task": task}).scalar())


def delete_old(session: Session, before: date) -> None:
    """Delete those that ended before a day."""
    session.execute(delete(ModelPull).where(ModelPull.finished_at < before))
