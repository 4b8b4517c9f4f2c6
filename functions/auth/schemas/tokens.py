from typing import Literal

from pydantic import Field

from common.email_addresses import EmailAddress
from common.schemas import RequestModel, ResponseModel
from functions.auth.schemas.passwords import GivenPassword


class SignIn(RequestModel):
    """Address and password."""

    email: EmailAddress
    password: GivenPassword
    cookie: bool = Field(
        default=False, description="Keep the refresh token in an HttpOnly cookie.", examples=[False]
    )


class Refresh(RequestModel):
    """A refresh token that was not used yet."""

    refresh_token: str = Field(min_length=1, max_length=128, examples=["lr_…"])


class Logout(RequestModel):
    """Which sessions to end."""

    scope: Literal["current", "others", "all"] = Field("current", examples=["current"])


class Tokens(ResponseModel):
    """An access token and the means to get the next one (RFC 6749, section 5.1)."""

    access_token: str = Field(
        description="A JWT (EdDSA); send it as `Authorization: Bearer …`.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2ln"],
    )
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Life of the access token, in seconds.", examples=[600])
    refresh_token: str | None = Field(
        description="Works once; its use gives the next. Null where it is in the cookie.",
        examples=["lr_V1StGXR8Z5jdHi6BmyT"],
    )
    scope: str = Field(
        description="What the token permits, separated by spaces.", examples=["profile:read profile:write"]
    )
