"""Rows as clients see them."""

from common.database import AnyRow
from functions.files.schemas.files import FileRead, Image, Rejection


def file_read(row: AnyRow) -> FileRead:
    """A file with its content, from a row of `repository.files`."""
    rejected = row.state == "rejected"
    return FileRead(
        id=row.id,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        state=row.state,
        rejection=Rejection(code=row.rejection, detail=row.rejection_detail) if rejected else None,
        image=_image(row) if row.width is not None else None,
        removed=row.removed,
        description=row.description,
        tags=row.tags,
        custom=row.custom,
        created_at=row.created_at,
        updated_at=row.updated_at,
        trashed_at=row.trashed_at,
    )


def _image(row: AnyRow) -> Image:
    return Image(
        width=row.width,
        height=row.height,
        frames=row.frames,
        pages=row.pages,
        colours=row.colours,
        thumbhash=row.thumbhash,
        camera=row.camera,
        taken_at=row.taken_at,
        renditions=[
            {name: value for name, value in each.items() if name != "key"} for each in row.renditions
        ],
    )
