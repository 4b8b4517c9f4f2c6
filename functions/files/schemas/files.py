import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from common.schemas import Instant, Line, RequestModel, ResponseModel, Text, storable

type FileSort = Literal[
    "created_at", "-created_at", "name", "-name", "size", "-size", "trashed_at", "-trashed_at"
]
type FileState = Literal["processing", "ready", "rejected"]

_MOST_CUSTOM_BYTES = 4096
# RFC 8259, section 6.
_EXACT = 2**53 - 1


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("must not be blank")
    return name


def _trimmed(tag: str) -> str:
    if tag != tag.strip():
        raise ValueError("must neither begin nor end with white space")
    return tag


def _bounded(custom: dict[str, Any]) -> dict[str, Any]:
    for value in custom.values():
        if isinstance(value, str):
            storable(value)
        elif isinstance(value, int) and abs(value) > _EXACT:
            raise ValueError("must hold no integers beyond 2 ** 53, as few programs read those exactly")
    written = json.dumps(custom, ensure_ascii=False, allow_nan=False)
    if len(written.encode()) > _MOST_CUSTOM_BYTES:
        raise ValueError(f"must be at most {_MOST_CUSTOM_BYTES} bytes of JSON")
    return custom


FileName = Annotated[Line, StringConstraints(min_length=1, max_length=255), AfterValidator(_not_blank)]
# To a form, an empty one is none.
FormName = Annotated[Line, StringConstraints(max_length=255), AfterValidator(_not_blank)]
Description = Annotated[Text, StringConstraints(max_length=2000)]
Tag = Annotated[Line, StringConstraints(min_length=1, max_length=64), AfterValidator(_trimmed)]
Tags = Annotated[list[Tag], Field(max_length=32), AfterValidator(_distinct)]
# Flat, so that it can be searched one day and never nests deeper than a client can read.
Custom = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
        Annotated[str, StringConstraints(max_length=1000)] | int | float | bool | None,
    ],
    Field(max_length=32, json_schema_extra={"additionalProperties": False}),
    AfterValidator(_bounded),
]
MediaType = Annotated[
    str,
    StringConstraints(
        max_length=127, pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$"
    ),
]
Sha256 = Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9a-f]{64}$")]


class Rendition(ResponseModel):
    """The picture in another size."""

    name: str = Field(description="Its longest side at most, in pixels.", examples=["512"])
    width: int = Field(description="Pixels.", examples=[512])
    height: int = Field(description="Pixels.", examples=[341])
    size: int = Field(description="Bytes.", examples=[38_112])
    media_type: str = Field(examples=["image/webp"])


class Image(ResponseModel):
    """What is known of a picture, or of the first page of a document. Sizes are as it is shown, upright."""

    width: int = Field(description="Pixels.", examples=[4032])
    height: int = Field(description="Pixels.", examples=[3024])
    frames: int | None = Field(description="How many, where it moves.", examples=[None])
    pages: int | None = Field(description="How many, of a document.", examples=[None])
    colours: list[str] = Field(
        description="The dominant ones, the most frequent first.", examples=[["#3a6ea5", "#f2e9dc"]]
    )
    thumbhash: str | None = Field(
        description="A ThumbHash in base64, to show until the picture is there.",
        examples=["1QcSHQRnh493V4dIh4eXh1h4kJUI"],
    )
    camera: str | None = Field(examples=["Canon EOS R5"])
    taken_at: datetime | None = Field(
        description="As the camera says; UTC where it does not say its zone.",
        examples=["2026-05-04T10:11:12Z"],
    )
    renditions: list[Rendition]


class Rejection(ResponseModel):
    """Why a file is of no use; its bytes are not kept."""

    code: str = Field(examples=["truncated"])
    detail: str = Field(examples=["The picture ends in the middle."])


class FileRead(ResponseModel):
    """A file."""

    id: UUID
    name: str = Field(examples=["beach.jpg"])
    media_type: str = Field(description="What the content is, whatever its name.", examples=["image/jpeg"])
    size: int = Field(description="Bytes that are kept.", examples=[2_480_113])
    state: FileState = Field(
        description="`processing` until it has been looked at: its content is not given out before. "
        "`rejected` where it cannot be used; see `rejection`.",
        examples=["ready"],
    )
    rejection: Rejection | None
    image: Image | None = Field(description="Null where it is no picture, or not looked at yet.")
    removed: list[str] = Field(
        description="Private metadata that the upload had and what is kept has not.",
        examples=[["gps", "exif"]],
    )
    description: str = Field(examples=["The last day."])
    tags: list[str] = Field(examples=[["holidays"]])
    custom: dict[str, str | int | float | bool | None] = Field(
        description="Whatever you like, flat.", examples=[{"album": "2026"}]
    )
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None = Field(
        description="Since when it is in the trash; null where it is not.", examples=[None]
    )


class ContentLink(ResponseModel):
    """An address of the bucket that gives the content to whoever has it."""

    url: str = Field(examples=["https://bucket.example/files/…/upload?X-Amz-Signature=…"])
    media_type: str = Field(examples=["image/jpeg"])
    size: int = Field(description="Bytes.", examples=[2_480_113])
    expires_at: datetime


class FileChange(RequestModel):
    """What may be changed; a member that is left out stays as it is."""

    name: FileName | None = Field(None, examples=["the beach.jpg"])
    description: Description | None = Field(None, examples=["The last day."])
    tags: Tags | None = Field(
        None, description="All of them: the list replaces the one before.", examples=[["x"]]
    )
    custom: Custom | None = Field(None, description="All of it.", examples=[{"album": "2026"}])


class FileQuery(BaseModel):
    """Which files, in which order; filters are combined with AND."""

    type: (
        Annotated[
            str,
            StringConstraints(
                max_length=127, pattern=r"^[a-z0-9!#$&^_.+-]{1,63}(/[a-z0-9!#$&^_.+-]{1,63})?$"
            ),
        ]
        | None
    ) = Field(None, description="A media type, or its first half.", examples=["image"])
    tag: Tag | None = Field(None, description="Files with this tag.", examples=["holidays"])
    size_min: int | None = Field(None, ge=0, le=2**50, description="At least so many bytes.")
    size_max: int | None = Field(None, ge=0, le=2**50, description="At most so many bytes.")
    created_after: Instant | None = Field(None, description="Created later than this (RFC 3339).")
    created_before: Instant | None = Field(None, description="Created earlier than this (RFC 3339).")
    q: Annotated[Line, StringConstraints(min_length=3, max_length=200)] | None = Field(
        None, description="Text within the name, in whatever case; at least 3 characters.", examples=["beach"]
    )
    trashed: bool = Field(default=False, description="The files in the trash instead.")
    sort: FileSort | None = Field(
        None,
        description="The order; a leading `-` reverses it. Unset: `-created_at`. The trash is in order of "
        "`trashed_at`, unset: `-trashed_at`, and nothing else is.",
        examples=["-created_at"],
    )

    @model_validator(mode="after")
    def _sortable(self) -> Self:
        if self.sort is not None and self.trashed != self.sort.endswith("trashed_at"):
            raise ValueError("`sort` takes trashed_at in the trash, and nowhere else")
        return self

    @property
    def order(self) -> str:
        """The order that is asked for, or else the one that the list has by itself."""
        return self.sort or ("-trashed_at" if self.trashed else "-created_at")


class UsageRead(ResponseModel):
    """How much room there is."""

    used: int = Field(description="Bytes of all files; equal content counts once.", examples=[52_428_800])
    reserved: int = Field(description="Bytes of uploads under way.", examples=[0])
    quota: int = Field(description="Bytes that both may come to.", examples=[10_737_418_240])
    in_trash: int = Field(
        description="Bytes of the files in the trash, part of `used`.", examples=[1_048_576]
    )
