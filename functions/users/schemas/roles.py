from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from common.permissions import PERMISSIONS
from common.schemas import Line, RequestModel, ResponseModel

RoleName = Annotated[
    str, Field(max_length=32, pattern=r"^[a-z][a-z0-9_-]{1,31}$", description="A role.", examples=["support"])
]


def _known(permission: str) -> str:
    if permission not in PERMISSIONS:
        raise ValueError(f"must be one of {', '.join(sorted(PERMISSIONS))}")
    return permission


Permission = Annotated[
    str, AfterValidator(_known), Field(max_length=64, json_schema_extra={"enum": sorted(PERMISSIONS)})
]


class RoleRead(ResponseModel):
    """A role and what it permits."""

    name: str = Field(examples=["support"])
    description: str = Field(examples=["Answers questions of members."])
    permissions: list[str] = Field(examples=[["profile:read", "users:read"]])
    built_in: bool = Field(description="It comes with Lambkin and cannot be changed.")
    created_at: datetime | None = Field(description="null where it is built in.")
    updated_at: datetime | None = Field(description="null where it is built in.")


class RoleCreate(RequestModel):
    """A new role."""

    name: RoleName
    description: Line = Field("", max_length=200, examples=["Answers questions of members."])
    permissions: list[Permission] = Field(max_length=64, examples=[["profile:read", "users:read"]])


class RoleChange(RequestModel):
    """What may be changed of a role; a member that is left out stays as it is."""

    description: Line | None = Field(None, max_length=200, examples=["Answers questions of members."])
    permissions: list[Permission] | None = Field(
        None, max_length=64, examples=[["profile:read", "users:read"]]
    )
