from datetime import datetime
from uuid import UUID

from pydantic import Field

from common.schemas import ResponseModel


class SessionRead(ResponseModel):
    """A sign-in that is live."""

    id: UUID
    device: str = Field(description="In words, from the user agent.", examples=["Firefox on Linux"])
    client_address: str = Field(description="Where it was opened from.", examples=["198.51.100.7"])
    last_address: str = Field(description="Where it was last seen.", examples=["198.51.100.7"])
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime = Field(description="When it ends unless it is used before.")
    current: bool = Field(description="Whether it is the one that asks.", examples=[True])
