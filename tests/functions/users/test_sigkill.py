"""Handlers of erasures and exports are killed at each step: what they began is finished, once."""

import httpx
import pytest

from tests.functions.users import crashing_rights
from tests.functions.users.conftest import Bucket
from tests.functions.users.crashing_rights import POINTS
from tests.functions.users.erasing import announce, furnish, is_whole_tombstone, left
from tests.functions.users.exporting import ask, fetch, look, mailed, parts, unzip
from tests.functions.users.running import run_due, run_job
from tests.support.killed import kill_where_it_stops
from tests.support.world import Person, World

ERASING = ("erase_account", "erase_person", "finish_erasure")
_NEXT = """
    select id, function, task from jobs where state = 'queued' and run_at <= now()
    and function in ('auth', 'users', 'files', 'ai') and payload->>'user_id' = :id order by run_at, id limit 1
"""

type Step = tuple[str, str, str]


def steps(*, erasing: bool) -> list[Step]:
    return [
        (function, task, point)
        for (function, task), points in POINTS.items()
        for point in points
        if (task in ERASING) == erasing
    ]


def run_until_killed(world: World, person: Person, step: Step) -> None:
    """Run the jobs about a person up to that of this step, whose handler is killed there."""
    function, task, point = step
    while found := world.rows(_NEXT, id=str(person.id)):
        [job] = found
        if (job.function, job.task) == (function, task) and is_the_one(world, person, job.task):
            kill_where_it_stops(crashing_rights.handle, function, task, point, str(job.id))
            return
        run_job(job.id, job.function)
    raise AssertionError(f"no job came to {step}")


def is_the_one(world: World, person: Person, task: str) -> bool:
    """Of the jobs that end an erasure or an export, the one that finds all others done."""
    if task not in ("finish_erasure", "assemble_export"):
        return True
    others = (
        "select count(*) from jobs where state = 'queued' and payload->>'user_id' = :id and task <> :task"
    )
    return bool(world.scalar(others, id=str(person.id), task=task) == 0)


def let_leases_end(world: World, person: Person) -> None:
    """What the schedule does when the time of a killed handler is over."""
    world.run(
        "update jobs set state = 'queued', locked_until = null, run_at = now()"
        " where state = 'running' and payload->>'user_id' = :id",
        id=str(person.id),
    )


@pytest.mark.parametrize("step", steps(erasing=True), ids=" ".join)
def test_an_erasure_survives_sigkill_at_any_step(
    asgi: httpx.Client, world: World, bucket: Bucket, step: Step
) -> None:
    person = furnish(world)
    ask(asgi, person)
    run_due(world, person.id)
    assert len(bucket.keys()) == 1
    announce(asgi, world, person)
    run_until_killed(world, person, step)
    # Between two steps the account is still there, or it is all gone.
    if world.scalar("select state from users where id = :id", id=person.id) == "deleted":
        assert is_whole_tombstone(world, person)
        assert left(world, person) == {}
    else:
        assert "users" in left(world, person)

    let_leases_end(world, person)
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)
    assert left(world, person) == {}
    assert bucket.keys() == []
    assert world.audit(person.id).count(("account.erased", "success")) == 1
    assert [mail.template for mail in world.mails(person.email)].count("account_erased") == 1
    reported = world.rows(
        "select report from erasure_reports where user_id = :id order by function", id=person.id
    )
    kinds = ("conversations", "passwords", "files", "exports")
    assert [next(row.report[kind] for kind in kinds if kind in row.report) for row in reported] == [
        0,
        1,
        0,
        1,
    ]


@pytest.mark.parametrize("step", steps(erasing=False), ids=" ".join)
def test_an_export_survives_sigkill_at_any_step(
    asgi: httpx.Client, world: World, bucket: Bucket, step: Step
) -> None:
    person = furnish(world)
    ask(asgi, person)
    run_until_killed(world, person, step)
    let_leases_end(world, person)
    run_due(world, person.id)
    found = look(asgi, person)
    assert found["state"] == "ready"
    assert "profile.json" in unzip(fetch(found["link"]).content)
    assert len(bucket.keys()) == 1
    assert len(mailed(world, person)) == 1
    assert parts(world, person) == 0


def test_a_person_who_is_erased_while_a_killed_handler_left_their_archive_in_the_bucket_leaves_nothing(
    asgi: httpx.Client, world: World, bucket: Bucket
) -> None:
    person = furnish(world)
    ask(asgi, person)
    run_until_killed(world, person, ("users", "assemble_export", "after the bucket"))
    assert len(bucket.keys()) == 1
    announce(asgi, world, person)
    run_due(world, person.id)
    assert is_whole_tombstone(world, person)
    # The killed one comes back when all is over.
    let_leases_end(world, person)
    assert set(run_due(world, person.id)) == {"done"}
    assert bucket.keys() == []
    assert left(world, person) == {}
