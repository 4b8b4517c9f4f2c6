"""A handler that is killed in the middle of a list neither mails an address twice nor skips one."""

import httpx
import pytest

from functions.users.jobs import tasks
from tests.functions.users import crashing_list
from tests.functions.users.crashing_list import POINTS
from tests.functions.users.test_bulk_invitations import counts, sent, waiting_job, work_off
from tests.support.killed import kill_where_it_stops
from tests.support.waiting import eventually
from tests.support.world import World

PEOPLE = 4


@pytest.mark.parametrize("point", POINTS)
def test_a_list_survives_sigkill_of_its_handler(asgi: httpx.Client, world: World, point: str) -> None:
    admin = world.person(roles=["admin"])
    emails = [world.address() for _ in range(PEOPLE)]
    place = sent(asgi, admin, [f"{email},," for email in emails])
    job_id = waiting_job(world, place)
    assert job_id is not None
    kill_where_it_stops(crashing_list.handle, point, str(job_id))

    def run_again() -> bool:
        tasks.run_one(job_id)
        return waiting_job(world, place) != job_id

    eventually(run_again)
    work_off(world, place)
    assert [len(world.mails(email)) for email in emails] == [1] * PEOPLE
    assert counts(asgi, admin, place) == {"invited": PEOPLE}
    assert asgi.get(place, headers=admin.headers).json()["state"] == "done"
    invited = "select count(*) from users where email = any(:emails) and state = 'invited'"
    assert world.scalar(invited, emails=emails) == PEOPLE
