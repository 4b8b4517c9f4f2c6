from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from common.schemas import Line, RequestModel, ResponseModel


class UserRead(ResponseModel):
    """An account, as its owner sees it."""

    id: UUID
    email: str = Field(examples=["ada@lambkin.example"])
    email_verified: bool
    name: str = Field(examples=["Ada"])
    locale: str = Field(description="A BCP 47 tag.", examples=["en-GB"])
    roles: list[str] = Field(examples=[["member"]])
    created_at: datetime
    updated_at: datetime


# RFC 5646, the well-formed shapes that people use: language, script, region, variants.
LanguageTag = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]


class UserChange(RequestModel):
    """What its owner may change; a member that is left out stays as it is."""

    name: Line | None = Field(None, max_length=200, examples=["Ada Lovelace"])
    locale: LanguageTag | None = Field(None, description="A BCP 47 tag.", examples=["en-GB"])
