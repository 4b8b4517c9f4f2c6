"""Files for tests, without a bucket."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from common.models import File, FileContent
from tests.support.world import World

_OF_CONTENT = frozenset(FileContent.__table__.columns.keys()) - {"id", "owner_id", "created_at"}


def make_file(world: World, owner: UUID, **values: Any) -> UUID:
    """The id of a new file with these values and a content of its own, which is `ready` unless they say."""
    values = {"name": "sonnet.txt", "media_type": "text/plain", "size": 1, "state": "ready"} | values
    content_id, file_id = uuid4(), uuid4()
    content = {"object_key": f"files/{content_id}/upload"} | {
        name: value for name, value in values.items() if name in _OF_CONTENT
    }
    own = {name: value for name, value in values.items() if name not in _OF_CONTENT}
    repeated = {name: values[name] for name in ("media_type", "size")}
    with world.engine.begin() as connection:
        connection.execute(insert(FileContent).values(id=content_id, owner_id=owner, **content))
        made = insert(File).values(id=file_id, owner_id=owner, content_id=content_id, **own, **repeated)
        connection.execute(made)
    world.run(
        "insert into storage_usage (owner_id, used) values (:owner, :size) "
        "on conflict (owner_id) do update set used = storage_usage.used + :size",
        owner=owner,
        size=values["size"],
    )
    return file_id
