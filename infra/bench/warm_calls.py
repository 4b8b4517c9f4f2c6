"""The child that calls Lambda handlers: `{"token", "rounds", "calls"}` gives microseconds of each round."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any

from infra.local.function_url import to_event
from infra.local.lambda_context import LambdaContext, environment_of

# What is executed, its parameters, and whether the driver was told to begin no transaction.
type Statement = tuple[Any, Any, bool]


def event_for(path: str, token: str) -> dict[str, Any]:
    """A function-URL event as a browser causes it."""
    headers = [
        (b"host", b"lambkin.example"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) bench"),
        (b"accept", b"application/json"),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    return to_event("GET", path, "", headers, b"", "198.51.100.7")


def caller(handler: Callable[[Any, Any], Any], path: str, token: str) -> Callable[[], None]:
    """One invocation, which must succeed."""
    event, context = event_for(path, token), LambdaContext("bench")

    def call() -> None:
        status = handler(event, context)["statusCode"]
        if status != 200:
            raise AssertionError(f"{path} answered {status}")

    return call


def statements_of(engine: Any, call: Callable[[], None]) -> list[Statement]:  # noqa: ANN401 - any SQLAlchemy engine
    """What one call executes, and how: Core statements, or SQL where the driver is given it directly."""
    from sqlalchemy import event

    executed: list[Statement] = []

    def note(connection: Any, _c: object, sql: str, parameters: Any, execution: Any, _many: bool) -> None:  # noqa: ANN401, FBT001 - SQLAlchemy's event signature
        statement = execution.invoked_statement
        alone = bool(connection.connection.dbapi_connection.autocommit)
        if statement is None:
            executed.append((sql, parameters, alone))
        else:
            executed.append((statement, execution.compiled_parameters[0], alone))

    event.listen(engine, "before_cursor_execute", note)
    call()
    event.remove(engine, "before_cursor_execute", note)
    return executed


def repeater(engine: Any, statements: list[Statement]) -> Callable[[], None]:  # noqa: ANN401 - any SQLAlchemy engine
    """The statements without a request around them, in a transaction where they were in one."""
    alone = all(each[2] for each in statements)

    def repeat() -> None:
        with engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            driver.autocommit = alone
            for statement, parameters, _ in statements:
                if isinstance(statement, str):
                    connection.exec_driver_sql(statement, parameters).all()
                else:
                    connection.execute(statement, parameters).all()
            connection.commit()
            driver.autocommit = False

    return repeat


def in_turns(contenders: Mapping[str, Callable[[], None]], calls: int) -> dict[str, float]:
    """The median of each in microseconds, one call of each after the other.

    So all find the same caches and the same disturbances; a loop of one alone would keep Postgres awake, as
    no request does.
    """
    taken: dict[str, list[int]] = {name: [] for name in contenders}
    for _ in range(calls):
        for name, call in contenders.items():
            started = time.perf_counter_ns()
            call()
            taken[name].append(time.perf_counter_ns() - started)
    return {name: median(times) / 1000 for name, times in taken.items()}


def timed(call: Callable[[], None], calls: int) -> float:
    """The median of so many calls, in microseconds."""
    taken = []
    for _ in range(calls):
        started = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - started)
    return median(taken) / 1000


def compare(question: dict[str, Any]) -> dict[str, Any]:
    """Hello, our call and its statements, in turns."""
    os.environ.update(environment_of("users"))
    asyncio.set_event_loop(asyncio.new_event_loop())
    from common.database.engine import get_engine
    from functions.users.app import handler
    from infra.bench import hello

    token = question["token"]
    me = caller(handler, "/v1/users/me", token)
    me()  # connects, and reads the keys that verify the token
    engine = get_engine("users")
    statements = statements_of(engine, me)
    contenders = {
        "hello": caller(hello.handler, "/hello", token),
        "me": me,
        "statements": repeater(engine, statements),
    }
    in_turns(contenders, question["calls"])
    found: dict[str, Any] = {name: [] for name in contenders}
    for _ in range(question["rounds"]):
        for name, taken in in_turns(contenders, question["calls"]).items():
            found[name].append(taken)
    return found | {"sql": [_first_words(statement) for statement, _, _ in statements]}


def _first_words(statement: object) -> str:
    words = str(statement).split()
    table = words.index("FROM") + 1 if "FROM" in words else 0
    return f"{words[0].lower()} {words[table]}"


def answer(measure: Callable[[Any], object]) -> None:
    """Answer one question from the parent; log lines go to a file, as they would leave the process."""
    question = json.load(sys.stdin)
    with Path(os.environ["LAMBKIN_BENCH_LOG"]).open("a") as log, redirect_stdout(log):
        found = measure(question)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    answer(compare)
