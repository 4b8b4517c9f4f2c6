from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from common.schemas import ResponseModel


class ExportRead(ResponseModel):
    """The archive of all that is stored about a person."""

    id: UUID
    state: Literal["collecting", "ready", "failed", "expired"] = Field(
        description="After `failed` and `expired`, ask for a new one."
    )
    created_at: datetime
    ready_at: datetime | None = Field(examples=["2026-11-22T08:15:58Z"])
    expires_at: datetime | None = Field(
        description="Until when a finished archive is kept.", examples=["2026-11-29T08:15:58Z"]
    )
    size: int | None = Field(description="Of the archive, in bytes.", examples=[18_542])
    link: str | None = Field(
        description="Gives a ready archive, for 5 minutes, to whoever has it. Null unless you have proved "
        "recently who you are (`POST /v1/auth/reauthenticate`).",
        examples=["https://lambkin.s3.eu-central-1.amazonaws.com/exports/…"],
    )
