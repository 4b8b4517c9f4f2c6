from pydantic import Field

from common.email_addresses import EmailAddress
from common.schemas import RequestModel
from functions.auth.schemas.passwords import GivenPassword, NewPassword


class AddressOnly(RequestModel):
    """An address."""

    email: EmailAddress


class LinkToken(RequestModel):
    """What a mailed link carries."""

    token: str = Field(min_length=1, max_length=128, description="`token` of the link.", examples=["Zk3…"])


class PasswordReset(LinkToken):
    """A link's token and the new password."""

    password: NewPassword


class PasswordChange(RequestModel):
    """The password that is, and the one that is to be."""

    current_password: GivenPassword
    password: NewPassword


class Reauthentication(RequestModel):
    """The password, once more."""

    password: GivenPassword
