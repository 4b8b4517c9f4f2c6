from typing import Literal

from pydantic import Field

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
