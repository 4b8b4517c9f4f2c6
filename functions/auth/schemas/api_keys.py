import re
from datetime import datetime
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from common.permissions import PERMISSIONS
from common.schemas import Line, RequestModel, ResponseModel

MOST_NETWORKS: Final = 50
MOST_REQUESTS_PER_MINUTE: Final = 100_000
LONGEST_OVERLAP_SECONDS: Final = 7 * 86_400

_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
_START: Final = "lk_02tcRIyrxLXTR81B3dqdOx"
_TIME: Final = "2027-11-22T08:15:30Z"
_SCOPES: Final = ["files:read", "files:write"]
_NETWORKS: Final = ["192.0.2.0/24", "2001:db8::/32"]

# RFC 3339, section 5.6. Pydantic would also take a number, or one in quotes, for seconds or milliseconds.
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)


def _visible(name: str) -> str:
    if not name.strip():
        raise ValueError("must have a character that can be seen")
    return name


def _permission(scope: str) -> str:
    if scope not in PERMISSIONS:
        raise PydanticCustomError("unknown_permission", "is not a permission")
    return scope


def _each_once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _timestamp(value: object) -> object:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2027-11-22T08:15:30Z")
    return value


def _network(text: str) -> str:
    """The network in its shortest form; an address is a network of one.

    Bits beyond the prefix are refused, as one of two was meant: the network, or the one address in it. An
    IPv6 network of mapped IPv4 addresses becomes that of the IPv4 addresses, as which clients are known.
    """
    _, slash, prefix = text.partition("/")
    # Python takes netmasks and zones of IPv6 as well.
    understood = "%" not in text and (not slash or re.fullmatch(r"[0-9]{1,3}", prefix))
    try:
        network = ip_network(text if understood else "", strict=False)
    except ValueError:
        raise ValueError("must be a network or an address, such as 192.0.2.0/24") from None
    if slash and network.network_address != ip_network(text.partition("/")[0]).network_address:
        raise ValueError(f"has bits beyond its prefix: write {network}, or the address alone")
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        return str(network if mapped is None else ip_network((mapped, network.prefixlen - 96)))
    return str(network)


def _whole(value: object) -> object:
    # Pydantic would take `true` and "5" as well, and in its strict mode not 5.0, an integer in JSON Schema.
    if isinstance(value, bool | str):
        raise ValueError("must be an integer")  # noqa: TRY004 - pydantic tells clients of a ValueError alone
    return value


def _left_out(schema: dict[str, Any]) -> None:
    """Describe a member that may be left out but has no default: left out, it stays as it is."""
    schema.pop("default", None)


# Bounds first: what looks at a value, or takes out what is double, sees none that is too long.
Name = Annotated[
    Line, Field(min_length=1, max_length=200, examples=["Nightly backup"]), AfterValidator(_visible)
]
Scope = Annotated[
    str, Field(max_length=64, json_schema_extra={"enum": sorted(PERMISSIONS)}), AfterValidator(_permission)
]
Scopes = Annotated[
    list[Scope], Field(min_length=1, max_length=64, examples=[_SCOPES]), AfterValidator(_each_once)
]
CidrNetwork = Annotated[str, Field(max_length=64), AfterValidator(_network)]
Networks = Annotated[
    list[CidrNetwork], Field(max_length=MOST_NETWORKS, examples=[_NETWORKS]), AfterValidator(_each_once)
]
RequestsPerMinute = Annotated[
    int, Field(ge=1, le=MOST_REQUESTS_PER_MINUTE, examples=[600]), BeforeValidator(_whole)
]
OverlapSeconds = Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS), BeforeValidator(_whole)]
Timestamp = Annotated[AwareDatetime, BeforeValidator(_timestamp), Field(examples=[_TIME])]

_OF_SCOPES: Final = "What the key may do, as far as its owner may."
_OF_NETWORKS: Final = (
    "Where the key may be used from: addresses, and networks without bits beyond the prefix (CIDR). "
    "Empty: anywhere."
)
_OF_LIMIT: Final = "The key's own limit. Null: none."
_OF_EXPIRY: Final = "When the key ends: in the future, and at most 5 years from now. Null: never."


class ApiKeyCreate(RequestModel):
    """A new API key."""

    name: Name = Field(description="What the key is for.")
    scopes: Scopes = Field(description=_OF_SCOPES)
    networks: Networks = Field([], description=_OF_NETWORKS)
    requests_per_minute: RequestsPerMinute | None = Field(None, description=_OF_LIMIT)
    expires_at: Timestamp | None = Field(None, description=_OF_EXPIRY)


class ApiKeyChange(RequestModel):
    """What to change of an API key; a member that is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Weekly backup", "requests_per_minute": 60, "expires_at": None}]
        }
    )

    name: Name = Field("", description="What the key is for.", json_schema_extra=_left_out)
    scopes: Scopes = Field([], description=_OF_SCOPES, json_schema_extra=_left_out)
    networks: Networks = Field([], description=_OF_NETWORKS, json_schema_extra=_left_out)
    requests_per_minute: RequestsPerMinute | None = Field(
        None, description=_OF_LIMIT, json_schema_extra=_left_out
    )
    expires_at: Timestamp | None = Field(None, description=_OF_EXPIRY, json_schema_extra=_left_out)


class ApiKeyRotate(RequestModel):
    """How to replace the secret of an API key."""

    overlap_seconds: OverlapSeconds = Field(
        86_400, description="How long the key before still works.", examples=[86_400]
    )


class ApiKeyRead(ResponseModel):
    """An API key, without its secret."""

    id: UUID = Field(examples=[_ID])
    name: str = Field(examples=["Nightly backup"])
    start: str = Field(description="How the key begins: enough to recognise it by.", examples=[_START])
    scopes: list[str] = Field(description=_OF_SCOPES, examples=[_SCOPES])
    networks: list[str] = Field(
        description="Where it may be used from. Empty: anywhere.", examples=[_NETWORKS]
    )
    requests_per_minute: int | None = Field(description=_OF_LIMIT, examples=[600])
    expires_at: datetime | None = Field(description="When the key ends. Null: never.", examples=[_TIME])
    last_used_at: datetime | None = Field(
        description="Its last use, to the minute. Null: none yet.", examples=["2026-11-23T09:00:12Z"]
    )
    created_at: datetime = Field(examples=["2026-11-22T08:15:30Z"])
    rotated_at: datetime | None = Field(
        description="When its secret was last replaced. Null: never.", examples=["2026-11-23T08:15:30Z"]
    )
    previous_expires_at: datetime | None = Field(
        description="Until when the secret before the last rotation works. Null: there is none that does.",
        examples=["2026-11-24T08:15:30Z"],
    )


class ApiKeyCreated(ApiKeyRead):
    """An API key with the key itself, which no other answer shows."""

    key: str = Field(
        description="Send it as `Authorization: Bearer lk_…`. Keep it now: it cannot be shown again.",
        examples=[f"{_START}_…"],
    )
