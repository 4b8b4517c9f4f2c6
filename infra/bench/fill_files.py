"""The child that gives accounts files without a bucket: `{"files": {address: number}}` to `{address: id}`.

Each owner's share of what every filter fits is the same, and of what is rare each has RARE.
"""

import json
import sys
from contextlib import closing
from typing import Any

from sqlalchemy import make_url

from common.settings import get_settings
from infra.bench.fill import filling
from infra.bench.rig import connect

RARE = 40
START = "timestamptz '2026-01-01 00:00Z'"
YEAR = 365 * 86_400
"""All files of an owner were made in this year, evenly, in seconds."""

SIZES = 1_000_000
"""All files are smaller than this."""

# `luck`, `fate` and `spread` are below 1000, in no order, and the same in each run: what one filter fits is
# nowhere near what another does. The rare ones stand all over the list.
FILES = f"""
    insert into files
        (id, owner_id, content_id, name, media_type, size, tags, created_at, updated_at, trashed_at)
    select id, owner, id,
        (array['Beach', 'garden', 'letter', 'bill'])[1 + spread / 250] || ' ' || substr(md5(n::text), 1, 8)
            || case when n % step = 0 then ' wedding' when fate % 250 = 7 then ' picnic' else '' end,
        case when luck < 600 then 'image/jpeg' when luck < 700 then 'image/png'
            when luck < 950 then 'text/plain' else 'video/mp4' end,
        abs(hashint8(n + 3)::bigint) % {SIZES},
        (case when fate < 600 then '{{many}}' else '{{}}' end::varchar[])
            || (case when fate % 250 = 7 then '{{few}}' else '{{}}' end::varchar[])
            || (case when n % step = 1 then '{{rare}}' else '{{}}' end::varchar[]),
        made, made, case when fate % 20 = 19 then made end
    from (
        select owner, number, n, uuidv7(made - now()) as id, greatest(2, number / {RARE}) as step, made,
            abs(hashint8(n)::bigint) % 1000 as luck, abs(hashint8(n + 1)::bigint) % 1000 as fate,
            abs(hashint8(n + 2)::bigint) % 1000 as spread
        from unnest(cast(:owners as uuid[]), cast(:numbers as int[])) as wanted (owner, number),
            generate_series(1, number) as n,
            lateral (select {START} + make_interval(secs => {YEAR}.0 * n / number) as made) as m
    ) as numbered
"""  # noqa: S608 - all of its parts are constants
CONTENTS = """
    insert into file_contents (id, owner_id, state, size, object_key, media_type, processed_at)
    select id, owner_id, 'ready', size, 'files/' || id || '/upload', media_type, created_at from files
"""


def main() -> None:
    """Answer one question, as the owner."""
    wanted: dict[str, int] = json.load(sys.stdin)["files"]
    with closing(connect(make_url(get_settings().database_url))) as connection:
        found: Any = connection.run(
            "select email, id::text from users where email = any(cast(:emails as text[]))",
            emails=list(wanted),
        )
        owners = dict(found)
        numbers = [wanted[email] for email in owners]
        with filling(connection, "files", "file_contents"):
            connection.run(FILES, owners=list(owners.values()), numbers=numbers)
            connection.run(CONTENTS)
        json.dump(owners, sys.stdout)


if __name__ == "__main__":
    main()
