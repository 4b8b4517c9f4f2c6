"""A person with something of everything, and what the tables still hold of them."""

from uuid import UUID, uuid4

import httpx

from tests.support.world import Person, World

KEPT_BY_ID = {
    "passwords": "user_id",
    "sessions": "user_id",
    "one_time_tokens": "user_id",
    "api_keys": "user_id",
    "exports": "user_id",
}


def furnish(world: World) -> Person:
    """A person who has used everything there is."""
    person = world.person(name="Ada Lovelace")
    world.run(
        "insert into one_time_tokens (digest, user_id, purpose, email, expires_at) values"
        " (sha256(cast(:name as bytea)), :id, 'change_email', :email, now() + interval '1 day')",
        name=person.id.bytes,
        id=person.id,
        email="new@lambkin.example",
    )
    world.run(
        "insert into pending_registrations (digest, password_hash, name)"
        " select digest, 'a-hash', 'Ada' from one_time_tokens where user_id = :id",
        id=person.id,
    )
    world.run(
        "insert into api_keys (id, user_id, name, digest, scopes) values"
        " (:key, :id, 'deploys', sha256('a key'), '{profile:read}')",
        key=uuid4(),
        id=person.id,
    )
    bulk, inviter = uuid4(), world.account().id
    world.run("insert into bulk_invitations (id, created_by) values (:bulk, :by)", bulk=bulk, by=inviter)
    world.run(
        "insert into bulk_invitation_lines (bulk_invitation_id, line, email, name) values"
        " (:bulk, 1, :email, 'Ada'), (:bulk, 2, 'grace@lambkin.example', 'Grace')",
        bulk=bulk,
        email=person.email.title(),
    )
    return person


def announce(api: httpx.Client, world: World, person: Person) -> UUID:
    """Delete the account and let its time come; the job that begins the erasure."""
    assert api.delete("/v1/users/me", headers=person.headers).status_code == 202
    world.run("update users set erase_at = now() where id = :id", id=person.id)
    world.run(
        "update jobs set run_at = now() where task = 'erase_account' and payload->>'user_id' = :id",
        id=str(person.id),
    )
    job: UUID = world.scalar(
        "select id from jobs where task = 'erase_account' and payload->>'user_id' = :id", id=str(person.id)
    )
    return job


def left(world: World, person: Person) -> dict[str, int]:
    """How many rows there still are about the person, by table; without those that have none."""
    counts = {
        table: world.scalar(f"select count(*) from {table} where {column} = :id", id=person.id)
        for table, column in KEPT_BY_ID.items()
    }
    counts["pending_registrations"] = world.scalar(
        "select count(*) from pending_registrations join one_time_tokens using (digest) where user_id = :id",
        id=person.id,
    )
    counts["bulk_invitation_lines"] = world.scalar(
        "select count(*) from bulk_invitation_lines where lower(email) = :email", email=person.email
    )
    counts["users"] = world.scalar("select count(*) from users where email = :email", email=person.email)
    return {table: number for table, number in counts.items() if number}


def is_whole_tombstone(world: World, person: Person) -> bool:
    """Whether the account is there without anything of its person."""
    [row] = world.rows(
        "select email, name, roles, state, email_verified_at, erase_at from users where id = :id",
        id=person.id,
    )
    return tuple(row) == (f"{person.id}@deleted.invalid", "", [], "deleted", None, None)
