from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.schemas import ResponseModel


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


class PresentedToken(BaseModel):
    """The form of RFC 7009 and RFC 7662: a token of any kind that we give out."""

    model_config = ConfigDict(extra="ignore")

    token: str = Field(
        "",
        max_length=8192,
        description="An access token, a refresh token or an API key.",
        examples=["lr_V1StGXR8Z5jdHi6BmyT"],
    )
    token_type_hint: str = Field(
        "", max_length=64, description="Ignored: a token tells its kind.", examples=["refresh_token"]
    )


class Introspection(ResponseModel):
    """What a token is (RFC 7662, section 2.2); of one that is not active, nothing more is told."""

    # What does not apply is left out, as the standard wants, and is not null.
    model_config = ConfigDict(from_attributes=True, json_schema_serialization_defaults_required=False)

    active: bool = Field(description="Whether it is ours, and works at this moment.", examples=[True])
    token_type: Literal["Bearer", "refresh_token"] | None = Field(
        default=None,
        description="`Bearer`: operations accept it. `refresh_token`: only the token endpoint does.",
        examples=["Bearer"],
    )
    scope: str | None = Field(
        default=None,
        description="What it permits now, separated by spaces: the account may do less than at sign-in.",
        examples=["profile:read profile:write"],
    )
    sub: UUID | None = Field(
        default=None, description="The account.", examples=["01890a5d-ac96-774b-bcce-b302099a8057"]
    )
    exp: int | None = Field(default=None, description="When it expires, Unix seconds.", examples=[1795335330])
    iat: int | None = Field(
        default=None, description="When it was made, Unix seconds.", examples=[1795334730]
    )
    auth_time: int | None = Field(
        default=None,
        description="When the person last proved who they are, Unix seconds (RFC 9470).",
        examples=[1795334730],
    )
    iss: str | None = Field(
        default=None, description="Who made it.", examples=["https://api.example/v1/auth"]
    )
    aud: str | None = Field(
        default=None, description="For whom; of a refresh token, its issuer.", examples=["lambkin"]
    )
    sid: UUID | None = Field(
        default=None, description="The session.", examples=["01890a5d-ac96-774b-bcce-b302099a8058"]
    )
    jti: UUID | None = Field(
        default=None,
        description="The token's id; of an API key, the key's.",
        examples=["01890a5d-ac96-774b-bcce-b302099a8059"],
    )
    networks: list[str] | None = Field(
        default=None,
        description="From where an API key may be used (CIDR): check the address of who presented it.",
        examples=[["203.0.113.0/24"]],
    )


class ServerMetadata(ResponseModel):
    """What an OAuth 2.0 client needs to know of this server (RFC 8414, section 2)."""

    issuer: str = Field(description="The `iss` of access tokens.", examples=["https://api.example/v1/auth"])
    token_endpoint: str = Field(examples=["https://api.example/v1/auth/token"])
    jwks_uri: str = Field(examples=["https://api.example/v1/auth/.well-known/jwks.json"])
    revocation_endpoint: str = Field(examples=["https://api.example/v1/auth/revoke"])
    introspection_endpoint: str = Field(examples=["https://api.example/v1/auth/introspect"])
    grant_types_supported: list[str] = Field(examples=[["password", "refresh_token"]])
    response_types_supported: list[str] = Field(
        description="None: there is no authorization endpoint.", examples=[[]]
    )
    scopes_supported: list[str] = Field(examples=[["profile:read", "profile:write"]])
    token_endpoint_auth_methods_supported: list[str] = Field(
        description="All clients are public.", examples=[["none"]]
    )
    revocation_endpoint_auth_methods_supported: list[str] = Field(
        description="Who holds a token may revoke it.", examples=[["none"]]
    )
    introspection_endpoint_auth_methods_supported: list[str] = Field(
        description="An access token or API key with `tokens:introspect`.", examples=[["Bearer"]]
    )
