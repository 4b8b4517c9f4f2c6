from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from common.audit import Outcome
from common.schemas import Instant, ResponseModel


class AuditFilters(BaseModel):
    """Which entries; one that is left out lets all pass."""

    action: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$",
        description="What was done, such as `session.opened`.",
        examples=["session.opened"],
    )
    outcome: Outcome | None = Field(None, description="How it ended.", examples=["refused"])
    actor_id: UUID | None = Field(None, description="Who did it.")
    subject_id: UUID | None = Field(None, description="The account that it was done to.")
    since: Instant | None = Field(None, description="From this time on, it included (RFC 3339).")
    until: Instant | None = Field(None, description="Before this time (RFC 3339).")


class AuditEntryRead(ResponseModel):
    """Who did what to whom, from where, when, with what result."""

    id: UUID
    created_at: datetime
    action: str = Field(description="`<thing>.<verb>`.", examples=["session.opened"])
    outcome: Outcome = Field(examples=["success"])
    actor_id: UUID | None = Field(description="Who did it; null where nobody was signed in.")
    subject_id: UUID | None = Field(description="The account that it was done to; null where there is none.")
    session_id: UUID | None = Field(description="The session in which it was done.")
    api_key_id: UUID | None = Field(description="The API key with which it was done.")
    client_address: str = Field(description="Empty where no request did it.", examples=["203.0.113.7"])
    user_agent: str = Field(examples=["curl/8.14.1"])
    request_id: str = Field(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])
    details: dict[str, Any] = Field(
        description="What else is worth knowing of this action.", examples=[{"reason": "signed_out"}]
    )
