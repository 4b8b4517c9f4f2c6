"""The OAuth 2.0 token endpoint (RFC 6749): the same sign-in, in the words of standard clients."""

from typing import Annotated, Final

from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field

from common.database import in_transaction
from common.email_addresses import normalise_email
from common.errors import AppError
from functions.auth import limits, sign_in
from functions.auth.schemas.tokens import Tokens


class TokenRequestRefused(AppError):
    """A token request that RFC 6749, section 5.2 refuses; the code is the protocol's `error`."""

    status = 400

    def __init__(self, detail: str = "") -> None:
        """`detail` doubles as `error_description`, which must be ASCII."""
        told = detail or self.detail
        description = told.encode("ascii", "replace").decode()
        super().__init__(told, members={"error": self.code, "error_description": description})


class InvalidRequest(TokenRequestRefused):
    """A parameter is missing."""

    code = "invalid_request"
    detail = "grant_type is missing."


class TokenMissing(InvalidRequest):
    """A request about a token without a token."""

    detail = "token is missing."


class InvalidGrant(TokenRequestRefused):
    """The credentials or the refresh token are not valid."""

    code = "invalid_grant"
    detail = "The email address or the password is wrong."


class UnsupportedGrantType(TokenRequestRefused):
    """We offer two grants."""

    code = "unsupported_grant_type"
    detail = "grant_type must be password or refresh_token."


GRANT_TYPES: Final = ("password", "refresh_token")


class TokenRequest(BaseModel):
    """The form; what is missing or wrong is told in the protocol's words, not as a validation error."""

    model_config = ConfigDict(extra="ignore")

    grant_type: str = Field(
        "", max_length=64, description="`password` or `refresh_token`.", examples=["password"]
    )
    username: str = Field(
        "", max_length=320, description="The email address, for `password`.", examples=["ada@lambkin.example"]
    )
    password: str = Field(
        "",
        max_length=1024,
        description="For `password`.",
        examples=["correct horse battery staple"],
        json_schema_extra={"format": "password"},
    )
    refresh_token: str = Field(
        "", max_length=128, description="For `refresh_token`.", examples=["lr_V1StGXR8Z5jdHi6BmyT"]
    )
    scope: str = Field(
        "",
        max_length=1024,
        description="Ignored: the answer's `scope` tells what is granted.",
        examples=["profile:read"],
    )
    client_id: str = Field(
        "", max_length=256, description="Ignored: all clients are public.", examples=["web"]
    )


TokenForm = Annotated[TokenRequest, Form()]


async def grant(form: TokenRequest) -> Tokens:
    """Tokens for a grant. Raises TokenRequestRefused, TooManyRequests."""
    match form.grant_type:
        case "password":
            return await _password(form)
        case "refresh_token":
            return await _refresh(form)
        case "":
            raise InvalidRequest
    raise UnsupportedGrantType


async def _password(form: TokenRequest) -> Tokens:
    if not form.username or not form.password:
        raise InvalidRequest("username and password are needed.")
    try:
        email = normalise_email(form.username)
    except ValueError:
        raise InvalidGrant from None
    await limits.check_sign_in(email)
    try:
        return await sign_in.sign_in(email, form.password)
    except sign_in.REFUSALS as refusal:
        raise InvalidGrant(refusal.message) from None


async def _refresh(form: TokenRequest) -> Tokens:
    if not form.refresh_token:
        raise InvalidRequest("refresh_token is missing.")
    await limits.check_refresh()
    try:
        return await in_transaction(lambda session: sign_in.refresh(session, form.refresh_token))
    except sign_in.InvalidRefreshToken as refusal:
        raise InvalidGrant(refusal.message) from None
