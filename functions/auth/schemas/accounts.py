from pydantic import Field

from common.email_addresses import EmailAddress
from common.schemas import Line, RequestModel
from functions.auth.schemas.passwords import NewPassword


class Registration(RequestModel):
    """Who wants an account."""

    email: EmailAddress
    password: NewPassword
    name: Line = Field("", max_length=200, description="How to address the person.", examples=["Ada"])


class EmailVerification(RequestModel):
    """What the mailed link carries."""

    token: str = Field(min_length=1, max_length=128, description="`token` of the link.", examples=["Zk3…"])
