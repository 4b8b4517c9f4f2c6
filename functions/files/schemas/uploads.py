from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from common.schemas import RequestModel, ResponseModel
from functions.files.schemas.files import Custom, Description, FileName, FileRead, MediaType, Sha256, Tags

MOST_BYTES = 50 * 1024**3
MOST_AT_A_TIME = 100

_CRC64: Any = {
    "description": "CRC-64/NVME of the bytes, big-endian, in base64.",
    "examples": ["AAAAAAAAAAA="],
}
Crc64 = Annotated[str, StringConstraints(max_length=12, pattern=r"^[A-Za-z0-9+/]{11}=$")]


class UploadStart(RequestModel):
    """What is going to be uploaded."""

    name: FileName = Field(description="What the file is called; kept as text.", examples=["beach.jpg"])
    size: int = Field(ge=1, le=MOST_BYTES, description="Bytes.", examples=[2_480_113])
    sha256: Sha256 | None = Field(
        None,
        description="SHA-256 of the bytes in hexadecimal, needed unless the upload is in parts.",
        examples=["b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"],
    )
    media_type: MediaType | None = Field(
        None,
        description="What you take it for: where the content says otherwise, it is refused.",
        examples=["image/jpeg"],
    )
    in_parts: bool | None = Field(
        None, description="Whether in parts, which can be resumed; unset: where it is over 64 MiB."
    )
    description: Description = Field("", examples=["The last day."])
    tags: Tags = Field([], examples=[["holidays"]])
    custom: Custom = Field({}, description="Whatever you like, flat.", examples=[{"album": "2026"}])


class BucketRequest(ResponseModel):
    """A request for you to send to the bucket: every header exactly so, the bytes as the body."""

    method: str = Field(examples=["PUT"])
    url: str = Field(examples=["https://lambkin.s3.eu-central-1.amazonaws.com/files/…?X-Amz-Signature=…"])
    headers: dict[str, str] = Field(
        description="A browser sends `Content-Length` by itself.", examples=[{"Content-Length": "2480113"}]
    )
    expires_at: datetime


class ArrivedPart(ResponseModel):
    """A part that the bucket has."""

    number: int = Field(examples=[1])
    size: int = Field(description="Bytes.", examples=[8_388_608])
    crc64nvme: str | None = Field(**_CRC64)


class UploadRead(ResponseModel):
    """An upload."""

    id: UUID
    name: str = Field(examples=["beach.jpg"])
    kind: Literal["direct", "single", "parts"] = Field(
        description="`single`: send `request`. `parts`: ask for the addresses of the parts.",
        examples=["single"],
    )
    state: Literal["open", "done", "ended"] = Field(
        description="`done` when it has become `file`; `ended` when it was aborted or took too long.",
        examples=["open"],
    )
    size: int = Field(description="Bytes.", examples=[2_480_113])
    request: BucketRequest | None = Field(description="Of an open `single` one.")
    part_size: int | None = Field(
        description="Bytes of each part but the last, which has the rest.", examples=[None]
    )
    part_count: int | None = Field(examples=[None])
    parts: list[ArrivedPart] = Field(description="Those of an open one that arrived, by number.")
    created_at: datetime
    expires_at: datetime = Field(description="When it has to be complete.")
    file: FileRead | None


class WantedPart(RequestModel):
    """A part that you are going to send."""

    number: int = Field(ge=1, le=10_000, examples=[1])
    crc64nvme: Crc64 | None = Field(
        None,
        description="CRC-64/NVME of its bytes, big-endian, in base64: the bucket then takes no others.",
        examples=["AAAAAAAAAAA="],
    )


class WantedParts(RequestModel):
    """The parts that you are going to send next."""

    parts: list[WantedPart] = Field(min_length=1, max_length=MOST_AT_A_TIME)


class PartRequest(ResponseModel):
    """A part and the request that brings it into the bucket."""

    number: int = Field(examples=[1])
    size: int = Field(description="Bytes.", examples=[8_388_608])
    request: BucketRequest


class PartRequests(ResponseModel):
    """Requests for parts."""

    parts: list[PartRequest]


class UploadCompletion(RequestModel):
    """What you know of the whole; nothing need be known."""

    crc64nvme: str | None = Field(
        None,
        max_length=32,
        description="CRC-64/NVME of all bytes of an upload in parts, big-endian, in base64; or what the "
        "bucket tells of the whole, with `-` and the number of parts.",
        examples=["AAAAAAAAAAA="],
    )
