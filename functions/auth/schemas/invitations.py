from pydantic import Field

from common.schemas import Line, RequestModel
from functions.auth.schemas.passwords import NewPassword


class InvitationAcceptance(RequestModel):
    """What the mailed link carries, and what its person chooses."""

    token: str = Field(min_length=1, max_length=128, description="`token` of the link.", examples=["Zk3…"])
    password: NewPassword
    name: Line | None = Field(
        None,
        max_length=200,
        description="How to address the person, if not as the invitation does.",
        examples=["Ada"],
    )
