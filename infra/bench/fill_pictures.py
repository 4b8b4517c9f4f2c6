"""The child that gives an account a picture, and another file with the very bytes of one of its transforms.

`{"owner", "query", "folder"}` gives `{"picture", "plain", "link"}`: ids of files, and an address of the
bucket that leads to the transform itself.
"""

import asyncio
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from common import bucket
from common.context import RequestContext, enter_context
from common.database import get_database
from common.ids import new_id
from common.models import FileContent
from functions.files import transforms
from functions.files.repository import files
from functions.files.schemas.images import ImageQuery
from infra.bench.renditions import photograph

MEGAPIXELS = 2
LINK_SECONDS = 3600
# That there are some says that it is a picture.
RENDITION = {"name": "256", "width": 256, "height": 192, "size": 1, "media_type": "image/webp", "key": ""}


def add(owner: UUID, content: bytes, media_type: str, name: str) -> UUID:
    """A file that is ready, as processing leaves it; its id."""
    content_id, file_id = new_id(), new_id()
    key = f"files/{content_id}/upload"
    bucket.put(key, content, media_type)
    repeated: dict[str, Any] = {"owner_id": owner, "media_type": media_type, "size": len(content)}

    def work(session: Session) -> None:
        known = {"state": "ready", "object_key": key, "renditions": [RENDITION]}
        session.execute(insert(FileContent).values(id=content_id, **repeated, **known))
        files.add(session, {"id": file_id, "content_id": content_id, "name": name, **repeated})

    get_database("files").transaction(work)
    return file_id


async def _link(owner: UUID, picture: UUID, query: dict[str, Any]) -> str:
    return await transforms.link(
        lambda connection: files.read(connection, owner, picture),
        ImageQuery.model_validate(query),
        "image/webp",
        seconds=LINK_SECONDS,
    )


def main() -> None:
    """Answer one question, as the function."""
    answers, sys.stdout = sys.stdout, sys.stderr
    question = json.load(sys.stdin)
    enter_context(RequestContext(function="files", client_address="127.0.0.1"))
    owner = UUID(question["owner"])
    path = Path(question["folder"]) / "photograph.jpg"
    photograph(path, MEGAPIXELS)
    picture = add(owner, path.read_bytes(), "image/jpeg", "photograph.jpg")
    link = asyncio.run(_link(owner, picture, question["query"]))
    with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310 - the emulator's address
        plain = add(owner, answer.read(), "image/webp", "plain.webp")
    json.dump({"picture": str(picture), "plain": str(plain), "link": link}, answers)


if __name__ == "__main__":
    main()
