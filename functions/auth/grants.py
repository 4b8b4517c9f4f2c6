"""The OAuth 2.0 token endpoint (RFC 6749): the same sign-in, in the words of standard clients."""

from typing import Annotated

from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field

from common.database import in_transaction
from common.email_addresses import normalise_email
from common.errors import AppError
from functions.auth import limits, sign_in
from functions.auth.schemas import Tokens


class TokenRequestRefused(AppError):
    """A token request that RFC 6749, section 5.2 refuses; `error` is its code."""

    status = 400
    code = "invalid_grant"
    detail = "The token request was refused; see `error`."

    def __init__(self, error: str, detail: str) -> None:
        """`detail` doubles as `error_description`, which must be ASCII."""
        description = detail.encode("ascii", "replace").decode()
        super().__init__(detail, members={"error": error, "error_description": description})
        self.code = error  # type: ignore[misc]  # the one error whose code is a protocol's, not ours


class TokenRequest(BaseModel):
    """The form; what is missing or wrong is told in the protocol's words, not as a validation error."""

    model_config = ConfigDict(extra="ignore")

    grant_type: str = Field(
        "", max_length=64, description="`password` or `refresh_token`.", examples=["password"]
    )
    username: str = Field("", max_length=320, description="The email address, for `password`.")
    password: str = Field("", max_length=1024, json_schema_extra={"format": "password"})
    refresh_token: str = Field("", max_length=128, description="For `refresh_token`.")
    scope: str = Field(
        "", max_length=1024, description="Ignored: the answer's `scope` tells what is granted."
    )
    client_id: str = Field("", max_length=256, description="Ignored: all clients are public.")


TokenForm = Annotated[TokenRequest, Form()]


async def grant(form: TokenRequest) -> Tokens:
    """Tokens for a grant. Raises TokenRequestRefused, TooManyRequests."""
    match form.grant_type:
        case "password":
            return await _password(form)
        case "refresh_token":
            return await _refresh(form)
        case "":
            raise TokenRequestRefused("invalid_request", "grant_type is missing.")
    raise TokenRequestRefused("unsupported_grant_type", "grant_type must be password or refresh_token.")


async def _password(form: TokenRequest) -> Tokens:
    if not form.username or not form.password:
        raise TokenRequestRefused("invalid_request", "username and password are needed.")
    try:
        email = normalise_email(form.username)
    except ValueError:
        raise TokenRequestRefused("invalid_grant", sign_in.InvalidCredentials.detail) from None
    await limits.check_sign_in(email)
    try:
        return await sign_in.sign_in(email, form.password)
    except (sign_in.InvalidCredentials, sign_in.EmailNotVerified, sign_in.AccountDisabled) as refusal:
        raise TokenRequestRefused("invalid_grant", refusal.message) from None


async def _refresh(form: TokenRequest) -> Tokens:
    if not form.refresh_token:
        raise TokenRequestRefused("invalid_request", "refresh_token is missing.")
    try:
        return await in_transaction(lambda session: sign_in.refresh(session, form.refresh_token))
    except sign_in.InvalidRefreshToken as refusal:
        raise TokenRequestRefused("invalid_grant", refusal.message) from None
