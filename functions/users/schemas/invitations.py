from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from common.email_addresses import EmailAddress
from common.schemas import Line, RequestModel, ResponseModel
from functions.users.schemas.administration import AccountRead
from functions.users.schemas.roles import RoleName


class Invite(RequestModel):
    """Whom to invite, and as what."""

    email: EmailAddress
    name: Line = Field("", max_length=200, description="How to address the person.", examples=["Ada"])
    roles: list[RoleName] = Field(
        default=["member"],
        min_length=1,
        max_length=16,
        description="What the account may do once it is accepted: no more than you may do yourself.",
        examples=[["member"]],
    )


class InvitedAccount(AccountRead):
    """An account that waits for its person."""

    invitation_expires_at: datetime = Field(description="Until when the mailed link works.")


class LineCounts(ResponseModel):
    """The lines of a list by what became of them."""

    invited: int = Field(0, description="A mail is on its way.", examples=[1])
    exists: int = Field(0, description="There was an account with this address.", examples=[0])
    duplicate: int = Field(0, description="The address is in a line above.", examples=[0])
    invalid: int = Field(0, description="Address, name or roles are not acceptable.", examples=[1])
    refused: int = Field(0, description="Who sent the list may not give such an account.", examples=[0])
    waiting: int = Field(0, description="Not worked off yet.", examples=[0])


class BulkInvitationRead(ResponseModel):
    """A list of people to invite, and how far it has been worked off."""

    id: UUID
    state: Literal["queued", "running", "done", "failed"]
    lines: int = Field(description="How many lines it has, without the header.", examples=[2])
    counts: LineCounts
    created_by: UUID = Field(description="The account that sent it.")
    created_at: datetime
    finished_at: datetime | None


class BulkInvitationLineRead(ResponseModel):
    """What became of one line."""

    line: int = Field(description="Where it begins in the file; the header is line 1.", examples=[2])
    email: str = Field(
        description="The address, normalised; where it is none, what stood there without control characters.",
        examples=["ada@lambkin.example"],
    )
    outcome: Literal["invited", "exists", "duplicate", "invalid", "refused"] | None = Field(
        description="Null until the line is worked off.", examples=["invited"]
    )
    detail: str = Field(description="Why, for a person; empty where it is invited.", examples=[""])
