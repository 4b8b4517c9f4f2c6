from datetime import datetime

from pydantic import Field

from common.schemas import RequestModel, ResponseModel, Text


class DeletionRead(ResponseModel):
    """When an account will be erased."""

    erase_at: datetime | None = Field(
        description="Until then the deletion can be undone; null: the erasure has begun.",
        examples=["2026-12-06T08:15:30Z"],
    )


class DeletionUndo(RequestModel):
    """The token of the link in the mail."""

    token: Text = Field(max_length=128, examples=["V1StGXR8Z5jdHi6BmyTq0wXc2oLkPz7uNfYe4rAaB3s"])
