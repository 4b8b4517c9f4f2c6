from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from common.email_addresses import EmailAddress
from common.schemas import Line, RequestModel, ResponseModel
from functions.auth.passwords import normalise_password

NewPassword = Annotated[
    str,
    Field(
        max_length=1024, examples=["correct horse battery staple"], json_schema_extra={"format": "password"}
    ),
    AfterValidator(normalise_password),
]
# Rules of length bind new passwords only: a wrong one that breaks them is still just wrong.
GivenPassword = Annotated[
    str,
    Field(
        max_length=1024, examples=["correct horse battery staple"], json_schema_extra={"format": "password"}
    ),
]


class Registration(RequestModel):
    """Who wants an account."""

    email: EmailAddress
    password: NewPassword
    name: Line = Field("", max_length=200, description="How to address the person.", examples=["Ada"])


class EmailVerification(RequestModel):
    """What the mailed link carries."""

    token: str = Field(min_length=1, max_length=128, description="`token` of the link.", examples=["Zk3…"])


class SignIn(RequestModel):
    """Address and password."""

    email: EmailAddress
    password: GivenPassword


class Refresh(RequestModel):
    """A refresh token that was not used yet."""

    refresh_token: str = Field(min_length=1, max_length=128, examples=["lr_…"])


class Tokens(ResponseModel):
    """An access token and the means to get the next one (RFC 6749, section 5.1)."""

    access_token: str = Field(
        description="A JWT (EdDSA); send it as `Authorization: Bearer …`.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2ln"],
    )
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Life of the access token, in seconds.", examples=[600])
    refresh_token: str = Field(
        description="Works once; its use gives the next.", examples=["lr_V1StGXR8Z5jdHi6BmyT"]
    )
    scope: str = Field(
        description="What the token permits, separated by spaces.", examples=["profile:read profile:write"]
    )


class PublicKey(ResponseModel):
    """One Ed25519 key as a JWK (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str = Field(
        description="Names the key; in the header of every token that it signed.",
        examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
    )
    x: str = Field(
        description="The public key, base64url.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
    )


class KeySet(ResponseModel):
    """A JWK set (RFC 7517)."""

    keys: list[PublicKey]
