"""What administrators settled about models: all statements on `ai_models`, and the only writes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.database import AnyRow
from common.models import AiModel, Role

_MOST: Final = 10_000
_TASKS_LOCK: Final = 0x6C616D626B616974

_HIDDEN: Final = text("""
    select name from ai_models
    where not roles && coalesce((select users.roles from users where users.id = :user_id), '{}')
        and (cast(:name as text) is null or name = :name)
    limit :most
""")


def hidden(connection: Connection | Session, user_id: UUID, name: str | None = None) -> frozenset[str]:
    """The names of the models that an account may not use; of this one alone where it is given."""
    values = {"user_id": user_id, "name": name, "most": _MOST}
    return frozenset(connection.execute(_HIDDEN, values).scalars())


def settings_of(connection: Connection, names: Collection[str]) -> Sequence[AnyRow]:
    """What is settled about these."""
    columns = select(AiModel.name, AiModel.roles, AiModel.tasks, AiModel.num_ctx, AiModel.version)
    return connection.execute(columns.where(AiModel.name.in_(list(names)))).all()


def default_for(connection: Connection | Session, task: str) -> str | None:
    """The model that is the default for a task; null where none is."""
    return connection.execute(select(AiModel.name).where(AiModel.tasks.contains([task])).limit(1)).scalar()


def known_roles(session: Session, names: Collection[str]) -> frozenset[str]:
    """Those of the names that are roles of administrators' making."""
    return frozenset(session.scalars(select(Role.name).where(Role.name.in_(list(names)))))


def hold_settings(session: Session, name: str) -> AiModel | None:
    """What is settled about a model, which nobody changes until the transaction ends; nor that of others."""
    session.execute(select(func.pg_advisory_xact_lock(_TASKS_LOCK)))
    return session.scalar(select(AiModel).where(AiModel.name == name).with_for_update())


def change_settings(session: Session, name: str, changes: Mapping[str, Any]) -> AiModel:
    """Settle something about a model, whose settings are held; what it is the default for, no other is."""
    if tasks := changes.get("tasks"):
        _take_tasks(session, tasks, name)
    statement = (
        insert(AiModel)
        .values(name=name, **changes)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={**changes, "version": AiModel.version + 1, "updated_at": func.now()},
        )
    )
    return session.scalars(statement.returning(AiModel), execution_options={"populate_existing": True}).one()


def clear_tasks(session: Session, name: str) -> None:
    """Have a model that is gone be no default any more. Who may use it stays settled."""
    statement = update(AiModel).where(AiModel.name == name, func.cardinality(AiModel.tasks) > 0)
    session.execute(statement.values(tasks=[], version=AiModel.version + 1, updated_at=func.now()))


_TAKE: Final = text("""
    update ai_models set version = version + 1, updated_at = now(),
        tasks = array(select task from unnest(tasks) as task where task <> all(cast(:tasks as text[])))
    where name <> :name and tasks && cast(:tasks as varchar[])
""")


def _take_tasks(session: Session, tasks: Sequence[str], name: str) -> None:
    session.execute(_TAKE, {"tasks": list(tasks), "name": name})
