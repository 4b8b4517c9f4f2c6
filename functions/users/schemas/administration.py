from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from common.email_addresses import EmailAddress
from common.schemas import Instant, Line, RequestModel, ResponseModel
from functions.users.schemas.profiles import LanguageTag
from functions.users.schemas.roles import RoleName

type State = Literal["invited", "active", "disabled", "deleting", "deleted"]
type Sort = Literal["created_at", "-created_at", "email", "-email", "name", "-name"]


def _searchable(text: str) -> str:
    # The index knows words by three neighbours at a time, the space around them included. Of three characters
    # or more, only those without a word after the first have none: they would have every account read.
    if not any(character.isalnum() for character in text[1:]):
        raise ValueError("must contain letters or digits to search for")
    return text


SearchText = Annotated[Line, StringConstraints(min_length=3, max_length=200), AfterValidator(_searchable)]
Reason = Annotated[Line, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]


class AccountRead(ResponseModel):
    """An account, as administrators see it."""

    id: UUID
    email: str = Field(examples=["ada@lambkin.example"])
    email_verified: bool
    name: str = Field(examples=["Ada"])
    locale: str = Field(description="A BCP 47 tag.", examples=["en-GB"])
    roles: list[str] = Field(examples=[["member"]])
    state: str = Field(
        description=(
            "`invited` until the invitation is accepted; `active`; `disabled`; `deleting` while the deletion "
            "can be undone; `deleted` when nothing of the person is left. Only an `active` one can sign in."
        ),
        examples=["active"],
    )
    disabled_reason: str | None = Field(description="Why, where it is `disabled`.", examples=["Left us."])
    password_reset_required: bool = Field(description="It signs in again only with a new password.")
    erase_at: datetime | None = Field(
        description="Until when a deletion can be undone; null while it is `deleting`: it is being erased.",
        examples=[None],
    )
    created_at: datetime
    updated_at: datetime


class AccountQuery(BaseModel):
    """Which accounts, in which order; filters are combined with AND."""

    email: EmailAddress | None = Field(None, description="Exactly this address, however it is spelled.")
    role: RoleName | None = Field(None, description="Accounts with this role.")
    state: State | None = Field(None, description="Accounts in this state.", examples=["disabled"])
    created_after: Instant | None = Field(None, description="Created later than this (RFC 3339).")
    created_before: Instant | None = Field(None, description="Created earlier than this (RFC 3339).")
    q: SearchText | None = Field(
        None,
        description="Text within the address or the name, in whatever case; at least 3 characters.",
        examples=["lovelace"],
    )
    sort: Sort = Field("-created_at", description="The order; a leading `-` reverses it.")


class AccountChange(RequestModel):
    """What an administrator may change; a member that is left out stays as it is."""

    name: Line | None = Field(None, max_length=200, examples=["Ada Lovelace"])
    locale: LanguageTag | None = Field(None, description="A BCP 47 tag.", examples=["en-GB"])
    state: Literal["active", "disabled"] | None = Field(
        None,
        description="`disabled` ends all sessions; `active` takes that back, or a deletion.",
        examples=["disabled"],
    )
    disabled_reason: Reason | None = Field(
        None,
        description="With `disabled`, and only then: why. The audit log keeps it for ever: no names in it.",
        examples=["Left the company."],
    )


class AccountRoles(RequestModel):
    """All roles of an account."""

    roles: list[RoleName] = Field(min_length=1, max_length=16, examples=[["member", "support"]])
